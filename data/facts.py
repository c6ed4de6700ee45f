#!/usr/bin/env python3
"""Answers about a folder of events, computed by reading them in loops: the standard library only, none
of this project's code. What the answers mean is said in README.md beside this file.

    facts.py FOLDER            recompute FOLDER/facts.json, whose specs are the questions
    facts.py FOLDER --check    compare instead; exit 1 where they differ
"""
import collections
import datetime
import glob
import gzip
import json
import math
import sys

DAY_MS = 86_400_000


# --- reading -------------------------------------------------------------------------------------

class Event:
    """`user` is None for nobody; `order` is the order of arrival."""
    __slots__ = ("name", "time", "user", "insert_id", "properties", "order", "sent")

    def matches(self, wanted):
        """Wanted: a name, or {"event": NAME, "where": {PROPERTY: VALUE or {"gt": NUMBER}}}, or {}."""
        if isinstance(wanted, str):
            return self.name == wanted
        if "event" in wanted and self.name != wanted["event"]:
            return False
        for name, condition in wanted.get("where", {}).items():
            value = self.properties.get(name)
            if isinstance(condition, dict):
                if type(value) not in (int, float) or not value > condition["gt"]:
                    return False
            elif value != condition or type(value) is not type(condition):
                return False
        return True


def lines(folder, name):
    for path in sorted(glob.glob(f"{folder}/{name}.ndjson*")):
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
            yield from map(json.loads, f)


def milliseconds(number):
    """Seconds up to 1e11, milliseconds from there."""
    return round(number * 1000) if abs(number) < 1e11 else round(number)


def take(places, *names):
    """The first value found under one of the names, in one of the places."""
    return next((place[name] for name in names for place in places if name in place), None)


def read(folder):
    """Events in order of arrival, repeats replaced, users resolved; and the counts of all that."""
    received, links, profiles = [], {}, {}
    for order, record in enumerate(lines(folder, "events")):
        sent = record["properties"]
        places = (record, sent)
        event = Event()
        event.order, event.sent = order, sent
        event.name, event.time = record["event"], milliseconds(take(places, "time", "$time"))
        event.insert_id = take(places, "$insert_id", "insert_id")
        device, user = sent.get("$device_id"), sent.get("$user_id")
        distinct_id = str(take(places, "distinct_id") or "")
        if device and user:
            links.setdefault("$device:" + device, user)  # the first link counts
        event.user = user or ("$device:" + device if device else distinct_id) or None
        event.properties = sent
        received.append(event)
        if record.get("user_properties"):
            who = links.get(event.user, event.user)
            profiles.setdefault(who, {}).update(record["user_properties"])
    kept = {}
    for event in received:
        key = (event.name, event.user, event.time, event.insert_id)
        if event.insert_id is None:
            key = event.order
        elif key in kept:
            event.order = kept[key].order  # the last one sent counts, in the place of the first
        kept[key] = event
    events = sorted(kept.values(), key=lambda e: e.order)
    for event in events:
        event.user = links.get(event.user, event.user)
    return received, events, links, profiles


# --- calendar ------------------------------------------------------------------------------------

def date(ms):
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=ms // DAY_MS)


def unit_start(day, unit):
    if unit == "week":
        return day - datetime.timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def units_between(first, later, unit):
    if unit == "month":
        return (later.year - first.year) * 12 + later.month - first.month
    return (later - first).days // (7 if unit == "week" else 1)


def instant(ms):
    seconds, rest = divmod(ms, 1000)
    text = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{rest:03}" if rest else "") + "Z"


def within(event, spec):
    return spec["from"] <= date(event.time).isoformat() <= spec["to"]


def per_user(events):
    """The events of each user, by time and then arrival."""
    users = collections.defaultdict(list)
    for event in sorted(events, key=lambda e: (e.time, e.order)):
        if event.user is not None:
            users[event.user].append(event)
    return users


# --- answers -------------------------------------------------------------------------------------

def label(value):
    if value is None:
        return "(null)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def by_count(counts):
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def segmentation(events, spec):
    groups = collections.defaultdict(list)
    for event in events:
        if event.matches(spec["event"]):
            groups[label(event.properties.get(spec["on"]))].append(event)
    ranked = sorted(groups, key=lambda value: (-len(groups[value]), value))
    values = {value: {"events": len(groups[value]), "users": users_of(groups[value])}
              for value in ranked[:spec.get("limit")]}
    answer = {"values": values}
    if "unit" in spec:
        answer["series_top12"] = {
            value: count_by(groups[value], lambda e: unit_start(date(e.time), spec["unit"])) for value in ranked[:12]}
    return answer


def users_of(events):
    return len({e.user for e in events if e.user is not None})


def count_by(events, key):
    counts = collections.Counter(key(e).isoformat() for e in events)
    return dict(sorted(counts.items()))


def percentile(values, p):
    at = (len(values) - 1) * p
    low = math.floor(at)
    high = min(low + 1, len(values) - 1)
    return round(values[low] + (values[high] - values[low]) * (at - low), 6)


def numeric(events, spec):
    found = [(e, e.properties[spec["property"]]) for e in events if e.matches(spec["event"])
             and type(e.properties.get(spec["property"])) in (int, float)]
    values = sorted(value for _, value in found)
    total = math.fsum(values)
    answer = {"count": len(values), "sum": round(total, 4), "average": round(total / len(values), 6),
              "min": values[0], "max": values[-1],
              **{name: percentile(values, p) for name, p in (("median", 0.5), ("p90", 0.9), ("p99", 0.99))}}
    if "unit" in spec:
        sums = collections.defaultdict(list)
        for event, value in found:
            sums[unit_start(date(event.time), spec["unit"]).isoformat()].append(value)
        answer["sum_by_" + spec["unit"]] = {day: round(math.fsum(v), 4) for day, v in sorted(sums.items())}
    return answer


def furthest(events, steps, strict, last_time, window_end, used):
    """How many of the steps can still be taken, by distinct events after (strict) or from last_time on."""
    if not steps:
        return 0
    candidates = [e for e in events if e not in used and e.time <= window_end and e.matches(steps[0])
                  and (e.time > last_time if strict else e.time >= last_time)]
    if not candidates:
        return 0
    # Taking the earliest never hurts; among those at one time it may matter which one is spent.
    earliest = min(e.time for e in candidates)
    tied, tried, best = [e for e in candidates if e.time == earliest], set(), 0
    for event in tied:
        kind = tuple(event.matches(step) for step in steps)
        if kind not in tried:
            tried.add(kind)
            best = max(best, 1 + furthest(events, steps[1:], strict, earliest, window_end, used | {event}))
    return best


def funnel(events, spec):
    answer = {}
    for name, strict in (("counts", False), ("counts_strict", True)):
        counts = [0] * len(spec["steps"])
        for own in per_user(events).values():
            own = [e for e in own if any(e.matches(step) for step in spec["steps"])]
            reached = 0
            for entry in own:
                if entry.matches(spec["steps"][0]) and within(entry, spec):
                    same = [e for e in own if e.time >= entry.time and all(
                        e.properties.get(held) == entry.properties.get(held) for held in spec.get("holding_constant", []))]
                    end = entry.time + spec["window_s"] * 1000
                    reached = max(reached, 1 + furthest(same, spec["steps"][1:], strict, entry.time, end, {entry}))
                    if reached == len(spec["steps"]):
                        break
            for step in range(reached):
                counts[step] += 1
        answer[name] = counts
    return answer


def retention(events, spec):
    unit, periods = spec["unit"], spec["periods"]
    length = {"day": 1, "week": 7}.get(unit, 30) * DAY_MS
    cohorts = {}
    for own in per_user(events).values():
        birth = next((e for e in own if e.matches(spec["birth"]) and within(e, spec)), None)
        if birth is None:
            continue
        born = unit_start(date(birth.time), unit)
        kept = set()
        for event in own:
            if event is birth or not event.matches(spec["return"]) or date(event.time).isoformat() > spec["data_to"]:
                continue
            if spec["mode"] == "calendar":
                kept.add(units_between(born, unit_start(date(event.time), unit), unit))
            elif event.time >= birth.time:
                kept.add((event.time - birth.time) // length)
        cohort = cohorts.setdefault(born.isoformat(), {"users": 0, "retained": [0] * periods})
        cohort["users"] += 1
        for period in kept:
            if 0 <= period < periods:
                cohort["retained"][period] += 1
    overall = {"users": sum(c["users"] for c in cohorts.values()),
               "retained": [sum(c["retained"][n] for c in cohorts.values()) for n in range(periods)]}
    return {"overall": overall, "cohorts": dict(sorted(cohorts.items()))}


def frequency(events, spec):
    days = collections.defaultdict(set)
    for event in events:
        if event.user is not None and within(event, spec) and event.matches(spec["event"] or {}):
            days[(date(event.time).strftime("%Y-%m"), event.user)].add(date(event.time))
    months = collections.defaultdict(collections.Counter)
    for (month, _), found in days.items():
        months[month][len(found)] += 1
    return {"months": {month: {str(n): c for n, c in sorted(counts.items())} for month, counts in sorted(months.items())}}


def next_event(events, spec):
    total, users = collections.Counter(), collections.defaultdict(set)
    for user, own in per_user(events).items():
        for event, later in zip(own, own[1:] + [None]):
            if event.name == spec["anchor"] and within(event, spec):
                near = later is not None and later.time - event.time <= spec["window_s"] * 1000
                name = later.name if near else "(none)"
                total[name] += 1
                users[name].add(user)
    return {"total": by_count(total), "users": {name: len(users[name]) for name in by_count(total)}}


def cohort(events, spec):
    did = collections.Counter(e.user for e in events if e.user is not None and within(e, spec) and e.matches(spec["did"]))
    return {"users": sum(count >= spec["at_least"] for count in did.values())}


def correlation(events, spec):
    """Of each event's best number of times and days: who did it or not, and reached the goal or not."""
    people, did = {}, collections.defaultdict(lambda: collections.defaultdict(list))
    for user, own in per_user([e for e in events if within(e, spec)]).items():
        people[user] = any(e.matches(spec["goal"]) for e in own)
        for event in own:
            did[event.name][user].append(event.time - own[0].time)
    rows = []
    for name in sorted(set(did) - {spec["goal"]}, key=lambda name: (-len(did[name]), name))[:spec["top"]]:
        cells = []
        for times in range(1, 11):
            for days in range(1, 16):
                counts = [0, 0, 0, 0]
                for user, reached in people.items():
                    done = sum(after <= days * DAY_MS for after in did[name].get(user, ())) >= times
                    counts[(0 if reached else 1) + (0 if done else 2)] += 1
                tp, fp, fn, tn = counts
                below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
                phi = round((tp * tn - fp * fn) / math.sqrt(below), 9) if below else None
                cells.append({"event": name, "times": times, "days": days, "counts": counts, "phi": phi})
        rows.append(max(cells, key=lambda cell: -1 if cell["phi"] is None else abs(cell["phi"])))
    return {"best": sorted(rows, key=lambda cell: -1 if cell["phi"] is None else -abs(cell["phi"]))}


def experiment(events, spec):
    """What users of each variant did after their exposure, and how that differs from the control."""
    groups = collections.defaultdict(list)
    for own in per_user([e for e in events if within(e, spec)]).values():
        counts, under, since = {}, None, None
        for event in own:
            if event.matches(spec["exposure"]) and event.properties.get(spec["variant"]) is not None:
                under, since = event.properties[spec["variant"]], event.time
                counts.setdefault(under, 0)
            if under is not None and event.matches(spec["metric"]) and event.time - since <= 90 * DAY_MS:
                counts[under] += 1
        for variant, count in counts.items():
            groups[variant].append(count)

    def share(counts):
        mean = sum(count > 0 for count in counts) / len(counts)
        return mean, mean * (1 - mean)

    def average(counts):
        mean = sum(counts) / len(counts)
        return mean, sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)

    answer = {}
    for name, moments in (("users", share), ("events", average)):
        control, spread = moments(groups[spec["control"]])
        for variant in sorted(groups):
            mean, variance = moments(groups[variant])
            row = {"exposed": len(groups[variant]), "value": round(mean, 9)}
            if variant != spec["control"]:
                error = math.sqrt(spread / len(groups[spec["control"]]) + variance / len(groups[variant]))
                z = (mean - control) / error
                row |= {"lift": round(mean / control - 1, 9), "z": round(z, 9), "p": round(math.erfc(abs(z) / math.sqrt(2)), 9)}
            answer.setdefault(variant, {})[name] = row
    return {"variants": answer}


def impact(events, spec):
    """How often users do something in the days before and after they first do something else, beside users who
    never do that."""
    until = (datetime.date.fromisoformat(spec["as_of"]) - datetime.date(1970, 1, 1)).days
    before, after = spec["days_before"], spec["days_after"]
    users = {user: [e for e in own if e.time // DAY_MS <= until] for user, own in per_user(events).items()}
    first = {user: next((e for e in own if e.matches(spec["launch"])), None) for user, own in users.items()}
    launched = min(e.time // DAY_MS for e in first.values() if e is not None and within(e, spec))
    groups = {"adopters": [], "non_adopters": []}
    for user, own in users.items():
        if first[user] is None:
            name, zero = "non_adopters", launched
        elif within(first[user], spec):
            name, zero = "adopters", first[user].time // DAY_MS
        else:
            continue
        days = [0] * (before + 1 + after)
        for event in own:
            at = event.time // DAY_MS - zero + before
            if event.matches(spec["metric"]) and 0 <= at < len(days):
                days[at] += 1
        if any(days):
            groups[name].append((zero + after <= until, days))

    def moments(numbers):
        mean = sum(numbers) / len(numbers)
        return mean, sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1) / len(numbers)

    answer, changes, averages = {}, {}, {}
    for name, own in groups.items():
        observed = [days for is_over, days in own if is_over]
        sums = [sum(column) for column in zip(*observed)]
        averages[name] = [sum(part) / len(part) / len(observed) for part in (sums[:before], sums[before + 1:])]
        changes[name] = moments([sum(d[before + 1:]) / after - sum(d[:before]) / before for d in observed])
        answer[name] = {"users": len(own), "observed": len(observed), "events": sums,
                        "before": round(averages[name][0], 9), "after": round(averages[name][1], 9)}
    (ours, others), (mean, variance), (mean_of_others, variance_of_others) = (
        averages.values(), changes["adopters"], changes["non_adopters"])
    expected = others[1] * ours[0] / others[0]
    z = abs(mean - mean_of_others) / math.sqrt(variance + variance_of_others)
    answer |= {"counterfactual": round(expected, 9), "delta": round(ours[1] - expected, 9),
               "lift": round(ours[1] / expected - 1, 9), "confidence": round(math.erfc(-z / math.sqrt(2)) / 2, 9),
               "adoption_rate": round(len(groups["adopters"]) / sum(map(len, groups.values())), 9)}
    return answer


ANSWERS = {"segmentation": segmentation, "numeric": numeric, "funnel": funnel, "retention": retention,
           "frequency": frequency, "next_event": next_event, "cohort": cohort,
           "correlation": correlation, "experiment": experiment, "impact": impact}


# --- the whole -----------------------------------------------------------------------------------

def json_type(value):
    return {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "object",
            type(None): "null"}[type(value)]


def facts(folder, questions):
    received, events, links, profiles = read(folder)
    names = collections.Counter(e.name for e in events)
    properties = collections.defaultdict(collections.Counter)
    for event in events:
        for name, value in event.sent.items():
            properties[name][json_type(value)] += 1

    def users_by(key):
        users = collections.defaultdict(set)
        for event in events:
            if event.user is not None:
                users[key(date(event.time))].add(event.user)
        return {day: len(found) for day, found in sorted(users.items())}

    answer = {
        "dataset": questions["dataset"],
        "definitions": "see the README beside the data",
        "events": len(events),
        "users": users_of(events),
        "events_without_user": sum(e.user is None for e in events),
        "first_time": instant(min(e.time for e in events)),
        "last_time": instant(max(e.time for e in events)),
        "days": len({date(e.time) for e in events}),
        "distinct_insert_ids": len({e.insert_id for e in events if e.insert_id is not None}),
        "by_event": {name: {"events": count, "users": users_of(e for e in events if e.name == name)}
                     for name, count in by_count(names).items()},
        "events_by_day": count_by(events, lambda e: date(e.time)),
        "dau": users_by(lambda day: day.isoformat()),
        "wau": users_by(lambda day: unit_start(day, "week").isoformat()),
        "mau": users_by(lambda day: day.strftime("%Y-%m")),
        "properties": {name: dict(counts.most_common()) for name, counts in sorted(properties.items())},
    }
    if "received" in questions:
        answer["received"] = len(received)
        answer["duplicates"] = len(received) - len(events)
        answer["identities"] = dict(sorted(links.items()))
        answer["profiles"] = {who: profiles[who] for who in sorted(profiles)}
    answer["answers"] = {kind: [{"spec": q["spec"], **ANSWERS[kind](events, q["spec"])} for q in asked]
                         for kind, asked in questions["answers"].items()}
    return answer


def differences(a, b, path=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from differences(a.get(key), b.get(key), f"{path}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(x, y, f"{path}/{i}")
    elif type(a) in (int, float) and type(b) in (int, float):
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6):
            yield f"{path}: {a} and {b}"
    elif a != b:
        yield f"{path}: {a} and {b}"


def main(folder, mode="--write"):
    path = folder.rstrip("/") + "/facts.json"
    with open(path, encoding="utf-8") as f:
        known = json.load(f)
    computed = facts(folder, known)
    if mode == "--check":
        found = list(differences(known, computed))
        print("\n".join(found) or f"{path}: all {computed['events']} events agree")
        sys.exit(bool(found))
    with open(path, "w", encoding="utf-8") as f:
        json.dump(computed, f, ensure_ascii=False, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
