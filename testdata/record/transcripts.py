"""Writes a played episode in the file format of an agent: Claude Code session JSONL, Codex rollout JSONL.

An episode is {"name", "cwd", "prompt", "prompt_time", "steps": [...], "closing", "closing_time"}; a step is
{"say", "tool", "input", "call" (response of the model received), "start", "end" (of the command), "result"
(result recorded), "stdout", "stderr", "code"}; times are epoch seconds. Every output is what the command printed.
"""
import datetime
import json
import random


def iso(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (at % 1 * 1000)


class Ids:
    """Identifiers in the shapes of the field, the same for the same episode and time."""

    def __init__(self, episode):
        self.rng = random.Random(f"{episode['name']} {episode['prompt_time']}")

    def uuid(self):
        h = "%032x" % self.rng.getrandbits(128)
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"

    def token(self, prefix, length=24):
        letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"
        return prefix + "".join(self.rng.choice(letters) for _ in range(length))


def output_text(step):
    return "\n".join(part.rstrip("\n") for part in (step["stdout"], step["stderr"]) if part.strip("\n"))


def numbered(text):
    return "\n".join(f"{number:6d}→{line}" for number, line in enumerate(text.splitlines(), 1))


def claude_result(step):
    """(content of the tool_result, is_error, toolUseResult) as Claude Code writes them."""
    tool, given = step["tool"], step["input"]
    if tool == "Bash":
        if step["code"] == 0:
            return output_text(step), False, {"stdout": step["stdout"].rstrip("\n"), "stderr": step["stderr"].rstrip("\n"),
                                              "interrupted": False, "isImage": False}
        text = f"Exit code {step['code']}\n{output_text(step)}"
        return text, True, "Error: " + text
    path = given["file_path"]
    if tool == "Read":
        lines = len(step["stdout"].splitlines())
        return numbered(step["stdout"]), None, {"type": "text", "file": {
            "filePath": path, "content": step["stdout"], "numLines": lines, "startLine": 1, "totalLines": lines}}
    if tool == "Write":
        return (f"File created successfully at: {path}", None,
                {"type": "create", "filePath": path, "content": given["content"], "structuredPatch": []})
    return (f"The file {path} has been updated. Here's the result of running `cat -n` on a snippet of the edited file:\n"
            + numbered(step["stdout"]), None,
            {"filePath": path, "oldString": given["old_string"], "newString": given["new_string"],
             "originalFile": step["before"], "structuredPatch": [], "userModified": False, "replaceAll": False})


def claude(episode):
    ids, lines, parent = Ids(episode), [], None
    session = ids.uuid()

    def line(kind, message, at, **more):
        nonlocal parent
        uuid = ids.uuid()
        record = {"parentUuid": parent, "isSidechain": False, "userType": "external", "cwd": episode["cwd"],
                  "sessionId": session, "version": "2.0.14", "gitBranch": "main"}
        if kind == "user":
            record |= {"type": kind, "message": message, "uuid": uuid, "timestamp": iso(at)} | more
        else:
            record |= {"message": message} | more | {"type": kind, "uuid": uuid, "timestamp": iso(at)}
        parent = uuid
        lines.append(json.dumps(record, separators=(",", ":"), ensure_ascii=False))

    def assistant(message_id, block, at):
        usage = {"input_tokens": 6, "cache_creation_input_tokens": ids.rng.randrange(80, 900),
                 "cache_read_input_tokens": ids.rng.randrange(9000, 30000), "output_tokens": ids.rng.randrange(20, 300),
                 "service_tier": "standard"}
        line("assistant", {"model": "scripted-agent", "id": message_id, "type": "message", "role": "assistant",
                           "content": [block], "stop_reason": None, "stop_sequence": None, "usage": usage}, at,
             requestId=ids.token("req_011C"))

    line("user", {"role": "user", "content": episode["prompt"]}, episode["prompt_time"])
    for step in episode["steps"]:
        message_id, call = ids.token("msg_01"), ids.token("toolu_01")
        if step["say"]:
            assistant(message_id, {"type": "text", "text": step["say"]}, step["call"] - 0.4)
        assistant(message_id, {"type": "tool_use", "id": call, "name": step["tool"], "input": step["input"]}, step["call"])
        content, error, extra = claude_result(step)
        block = {"tool_use_id": call, "type": "tool_result", "content": content}
        if error is not None:
            block["is_error"] = error
        line("user", {"role": "user", "content": [block]}, step["result"], toolUseResult=extra)
    assistant(ids.token("msg_01"), {"type": "text", "text": episode["closing"]}, episode["closing_time"])
    return "\n".join(lines) + "\n"


def codex(episode):
    """Envelope of codex_cli_rs 0.40 with the `exec_command` call of later versions: the call is written when the
    response is in, the output when the command has ended."""
    ids, lines = Ids(episode), []
    session, cwd = ids.uuid(), episode["cwd"]

    def line(at, kind, payload):
        lines.append(json.dumps({"timestamp": iso(at), "type": kind, "payload": payload}, separators=(",", ":"), ensure_ascii=False))

    def message(at, role, kind, text):
        line(at, "response_item", {"type": "message", "role": role, "content": [{"type": kind, "text": text}]})

    begin = episode["prompt_time"]
    line(begin, "session_meta", {"id": session, "timestamp": iso(begin - 0.01), "cwd": cwd, "originator": "codex_exec",
                                 "cli_version": "0.58.0", "instructions": None, "source": "exec", "model_provider": "openai"})
    message(begin, "user", "input_text", f"<environment_context>\n  <cwd>{cwd}</cwd>\n  <approval_policy>never</approval_policy>\n"
            "  <sandbox_mode>danger-full-access</sandbox_mode>\n  <network_access>enabled</network_access>\n  <shell>bash</shell>\n"
            "</environment_context>")
    message(begin, "user", "input_text", episode["prompt"])
    line(begin, "event_msg", {"type": "user_message", "message": episode["prompt"], "kind": "plain"})
    for step in episode["steps"]:
        call, command = ids.token("call_"), step["input"]["command"]
        line(step["call"] - 0.6, "turn_context", {"cwd": cwd, "approval_policy": "never", "sandbox_policy":
                                                  {"mode": "danger-full-access"}, "model": "scripted-agent", "summary": "auto"})
        if step["say"]:
            line(step["call"] - 0.4, "event_msg", {"type": "agent_reasoning", "text": step["say"]})
            line(step["call"] - 0.01, "response_item", {"type": "reasoning", "summary":
                                                        [{"type": "summary_text", "text": step["say"]}], "content": None})
        line(step["call"], "response_item", {"type": "function_call", "name": "exec_command", "arguments": json.dumps(
            {"cmd": command, "workdir": cwd, "yield_time_ms": 30000}, separators=(",", ":"), ensure_ascii=False), "call_id": call})
        text = output_text(step)
        line(step["result"], "response_item", {"type": "function_call_output", "call_id": call, "output":
             f"Chunk ID: {ids.rng.getrandbits(24):06x}\nWall time: {step['end'] - step['start']:.4f} seconds\n"
             f"Process exited with code {step['code']}\nOriginal token count: {len(text) // 4}\nOutput:\n{text}\n"})
    line(episode["closing_time"], "event_msg", {"type": "agent_message", "message": episode["closing"]})
    message(episode["closing_time"], "assistant", "output_text", episode["closing"])
    return "\n".join(lines) + "\n"


WRITERS = {"claude": claude, "codex": codex}
