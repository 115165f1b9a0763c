"""Plays an episode: the lines of a scenario as real commands of a user on a host, with pauses where the model thinks."""
import copy
import os
import random
import textwrap
import time

import transcripts
from world import USERS

CWD = "/home/agent/project"


def bash(command, say="", pause=None):
    return {"tool": "Bash", "input": {"command": command}, "say": say, "pause": pause}


def read(path, say=""):
    return {"tool": "Read", "input": {"file_path": f"{CWD}/{path}"}, "say": say, "pause": None}


def write(path, content, say="", mode=0o644):
    return {"tool": "Write", "input": {"file_path": f"{CWD}/{path}", "content": textwrap.dedent(content)}, "say": say,
            "pause": None, "mode": mode}


def edit(path, old, new, say=""):
    return {"tool": "Edit", "input": {"file_path": f"{CWD}/{path}", "old_string": old, "new_string": new}, "say": say,
            "pause": None}


def perform(world, host, step):
    """Does what the tool call asks; fills in times and what came back."""
    given = step["input"]
    if step["tool"] == "Bash":
        time.sleep(random.uniform(0.03, 0.09))
        got = world.run(host, "agent", CWD, given["command"])
        step["start"], step["end"], step["stdout"], step["stderr"], step["code"] = got
        return
    path = world.dir / host / given["file_path"].lstrip("/")
    time.sleep(random.uniform(0.005, 0.02))
    step["start"] = time.time()
    text = path.read_text() if path.exists() else ""
    step |= {"before": text, "stderr": "", "code": 0, "stdout": text}
    if step["tool"] == "Write":
        path.write_text(given["content"])
        path.chmod(step["mode"])
        os.chown(path, USERS["agent"], USERS["agent"])
    elif step["tool"] == "Edit":
        if given["old_string"] not in text:
            raise RuntimeError(f"edit does not apply to {path}")
        step["stdout"] = text.replace(given["old_string"], given["new_string"], 1)
        path.write_text(step["stdout"])
    step["end"] = time.time()


def play(world, host, run, name, prompt, steps, closing, form="claude", seed=0, think=(2.2, 4.6)):
    """Plays one episode to its end, writes its transcript below `transcripts/RUN`, and gives it back with true times."""
    rng = random.Random(f"{name} {seed}")
    episode = {"name": name, "run": run, "host": host, "cwd": CWD, "prompt": prompt, "prompt_time": time.time(),
               "steps": [], "closing": closing, "form": form}
    for index, planned in enumerate(steps):
        step = copy.deepcopy(planned)
        time.sleep(step["pause"] if step["pause"] is not None else rng.uniform(*think))
        step["call"] = time.time()
        perform(world, host, step)
        time.sleep(rng.uniform(0.004, 0.02))
        step["result"] = time.time()
        step["index"] = index
        episode["steps"].append(step)
    time.sleep(rng.uniform(2, 3.5))
    episode["closing_time"] = time.time()
    folder = world.out / "transcripts" / run
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text(transcripts.WRITERS[form](episode))
    return episode
