"""Makes the incidents that are other views of `reference`: a firewall with a wrong clock, transcripts without times."""
import datetime
import json
import re
import shutil

import incidents
from world import syslog_time

SHIFT = 8 * 3600 + 2.5


def epoch(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def derive(name, out):
    source, target = out / "reference", out / name
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    truth = json.loads((source / "truth.json").read_text())
    evidence = target / "evidence"
    if name == "firewall-clock-off":
        firewall_clock_off(evidence, truth)
    else:
        order_only(evidence, truth)
    truth["incident"] = name
    (target / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    readme = (source / "README.md").read_text()
    date, tools = re.search(r"^Date of the recording: (\S+)\. Tools: (.*)\.$", readme, re.M).groups()
    for path, text in incidents.texts(name, date, tools).items():
        (target / path).write_text(text)
    print(f"{name}: derived", flush=True)


def firewall_clock_off(evidence, truth):
    lines = (evidence / "firewall.log").read_text().splitlines()
    if len(lines) != len(truth["firewall_log_arrivals"]):
        raise SystemExit("truth.json does not belong to this firewall.log")
    shifted = [syslog_time(epoch(at) + SHIFT) + line[15:] for line, at in zip(lines, truth["firewall_log_arrivals"])]
    (evidence / "firewall.log").write_text("\n".join(shifted) + "\n")
    (evidence / "conntrack.log").unlink()
    (evidence / "capture.pcap").unlink()
    truth["clock"] = "one clock for every source but firewall.log, whose stamps are 28802.5 s ahead"


def order_only(evidence, truth):
    times = {(s["episode"], s["index"]): round(epoch(s["end"]) - epoch(s["start"]), 6) for s in truth["steps"]}
    for path in sorted(evidence.glob("transcripts/*/*.jsonl")):
        steps, prompt, closing = neutral(path)
        for index, step in enumerate(steps):
            step["execution_time"] = times[path.stem, index]
        path.with_suffix(".traj").write_text(json.dumps(trajectory(path.stem, prompt, steps, closing), indent=2, ensure_ascii=False) + "\n")
        path.unlink()


def neutral(path):
    """Steps (thought, action, observation), prompt and closing text of a Claude Code or Codex transcript."""
    steps, by_call, prompt, said = [], {}, None, ""
    for record in map(json.loads, path.read_text().splitlines()):
        if "payload" in record:
            item = record["payload"]
            kind = item.get("type")
            if record["type"] == "event_msg" and kind == "user_message":
                prompt = item["message"]
            elif kind == "reasoning":
                said = item["summary"][0]["text"]
            elif kind == "message" and item["role"] == "assistant":
                said = item["content"][0]["text"]
            elif kind == "function_call":
                by_call[item["call_id"]] = add(steps, said, json.loads(item["arguments"])["cmd"])
                said = ""
            elif kind == "function_call_output":
                by_call[item["call_id"]]["observation"] = item["output"].split("\nOutput:\n", 1)[1].rstrip("\n")
            continue
        content = record["message"]["content"]
        if isinstance(content, str):
            prompt = content
            continue
        for block in content:
            if block["type"] == "text":
                said = block["text"]
            elif block["type"] == "tool_use":
                by_call[block["id"]] = add(steps, said, action(block["name"], block["input"]))
                said = ""
            else:
                text = block["content"]
                by_call[block["tool_use_id"]]["observation"] = text.split("\n", 1)[-1] if text.startswith("Exit code ") else text
    return steps, prompt, said


def add(steps, thought, command):
    steps.append({"thought": thought, "action": command, "observation": ""})
    return steps[-1]


def action(tool, given):
    if tool == "Bash":
        return given["command"]
    path = given["file_path"]
    if tool == "Read":
        return f"str_replace_editor view {path}"
    if tool == "Write":
        return f"str_replace_editor create {path} --file_text '{given['content']}'"
    return f"str_replace_editor str_replace {path} --old_str '{given['old_string']}' --new_str '{given['new_string']}'"


def trajectory(instance, prompt, steps, closing):
    state = {"working_dir": "/home/agent/project", "open_file": ""}
    history = [{"role": "system", "content": "You are a helpful assistant that can interact with a computer to solve tasks.",
                "agent": "main", "message_type": "system_prompt"},
               {"role": "user", "content": prompt, "agent": "main", "message_type": "observation"}]
    rows = []
    for step in steps:
        rows.append({"action": step["action"], "observation": step["observation"], "response": step["thought"],
                     "thought": step["thought"], "execution_time": step["execution_time"], "state": state, "extra_info": {}})
        history.append({"role": "assistant", "content": step["thought"], "thought": step["thought"], "action": step["action"],
                        "agent": "main", "message_type": "action"})
        history.append({"role": "user", "content": step["observation"], "agent": "main", "message_type": "observation"})
    rows.append({"action": "submit", "observation": "", "response": closing, "thought": closing, "execution_time": 0.1,
                 "state": state, "extra_info": {}})
    return {"environment": instance, "trajectory": rows, "history": history,
            "info": {"exit_status": "submitted", "submission": "", "model_stats": {"api_calls": len(rows)}}}
