"""One transcript: its scenario, its events in order, and its calls."""
import dataclasses
import json


@dataclasses.dataclass
class Call:
    number: int
    method: str
    conn: str          # outer, inner or stdio
    cn: int            # number of the connection
    over: int          # call that carries an inner connection
    metadata: dict
    events: list = dataclasses.field(default_factory=list)

    def sent(self, direction, before=1 << 60):
        """Messages in one direction, those before an event."""
        return [event["msg"] for event in self.events if event["kind"] == "msg" and event["dir"] == direction and event["seq"] < before]

    def has(self, kind, direction, before=1 << 60):
        return any(event["kind"] == kind and event["dir"] == direction and event["seq"] < before for event in self.events)

    def cn_of_outer(self, transcript):
        """Number of the connection that carries the call, of an inner one that of its session."""
        return transcript.calls[self.over].cn if self.conn == "inner" else self.cn

    @property
    def end(self):
        return next((event["status"] for event in self.events if event["kind"] == "trailers"), None)

    def ended_before(self, seq):
        return any(event["kind"] == "trailers" and event["seq"] < seq for event in self.events)


class Transcript:
    def __init__(self, path):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.scenario, self.events = lines[0], [one for one in lines[1:] if one.get("conn") != "stdio"]
        self.name = self.scenario["name"]
        self.has_frontend = any(one.get("conn") == "stdio" for one in lines)
        self.text = path.read_text()
        self.calls = {}
        for event in self.events:
            if event["kind"] == "start":
                self.calls[event["call"]] = Call(event["call"], event["method"], event["conn"], event["cn"], event.get("over", 0), event.get("metadata", {}))
            if "call" in event and event["kind"] != "start" and event["call"] in self.calls:
                self.calls[event["call"]].events.append(event)

    def inner(self, session):
        return [call for call in self.calls.values() if call.conn == "inner" and call.over == session]

    @property
    def side_by_side(self):
        """Whether two builds ran at the same time."""
        spans = []
        for call in self.calls.values():
            if call.method.endswith("Control/Solve"):
                begin = next(event["seq"] for event in self.events if event["kind"] == "start" and event["call"] == call.number)
                spans.append((begin, max([begin] + [event["seq"] for event in call.events])))
        return any(a < c < b for a, b in spans for c, _ in spans)
