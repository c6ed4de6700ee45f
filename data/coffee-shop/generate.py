#!/usr/bin/env python3
"""Writes events.ndjson: three weeks of a made-up coffee shop, the same for the same seed.

    generate.py OUTPUT_FILE
"""
import json
import random
import sys

SEED = 20240301
START = 1_709_251_200_000  # Friday 2024-03-01T00:00:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DAYS = 21

DRINKS = {"Espresso": 2.2, "Flat White": 3.6, "Cappuccino": 3.4, "Filter Coffee": 2.8, "Matcha Latte": 4.3,
          "Chai": 3.9, "Hot Chocolate": 3.7, "Cold Brew": 4.0}
EXTRAS = ["oat milk", "extra shot", "vanilla", "decaf", "cinnamon", "no sugar"]

draw = random.Random(SEED)
records = []  # (time, order of making, record)


def send(name, time, person, properties=None, user_properties=None, insert_id=True):
    """Most clients send the product form; the kiosk (an older one) puts time and id among the properties."""
    properties = dict(properties or {})
    sent = {}
    if person.get("signed_in") and person.get("device") and person["link"]:
        properties.update({"$user_id": person["id"], "$device_id": person["device"]})
    elif not person.get("signed_in") and person.get("device"):
        properties["$device_id"] = person["device"]
    distinct_id = person["id"] if person.get("signed_in") else "$device:" + person["device"] if person.get("device") else ""
    key = "%016x" % draw.getrandbits(64)
    record = {"event": name, "distinct_id": distinct_id}
    if person["client"] == "kiosk":
        time -= time % 1000
        sent["time"] = time // 1000
        if insert_id:
            sent["$insert_id"] = "kiosk-" + key
    else:
        record["time"] = time
        if insert_id:
            record["insert_id"] = key
    record["properties"] = {**sent, **properties}
    if user_properties:
        record["user_properties"] = user_properties
    records.append((time, len(records), record))
    return record


def open_hours(day):
    """A time between 07:00 and 18:00, mornings busiest."""
    return START + day * DAY + 7 * HOUR + int(min(draw.random(), draw.random()) * 11 * HOUR)


def order(person, time):
    """Looks at the menu and usually, not always, buys."""
    channel = {"client": person["client"]}
    send("Menu Viewed", time, person, {**channel, "section": draw.choice(["coffee", "tea", "food"])})
    drinks = draw.sample(sorted(DRINKS), draw.choice([1, 1, 2, 3]))
    total, items = 0, []
    for drink in drinks:
        time += draw.randrange(5, 60) * 1000
        send("Drink Viewed", time, person, {**channel, "drink": drink, "price": DRINKS[drink]})
        if draw.random() < 0.75:
            # The web client knows sizes by name, the kiosk by ounces.
            size = draw.choice([8, 12, 16]) if person["client"] == "kiosk" else draw.choice(["small", "medium", "large"])
            extras = sorted(draw.sample(EXTRAS, draw.choice([0, 0, 1, 2])))
            time += draw.randrange(3, 30) * 1000
            send("Added to Order", time, person, {**channel, "drink": drink, "size": size, "extras": extras})
            total += DRINKS[drink] + 0.6 * len(extras)
            items.append({"drink": drink, "extras": len(extras)})
    if not items or draw.random() < (0.15 if person.get("signed_in") else 0.6):
        return time
    time += draw.randrange(10, 90) * 1000
    properties = {**channel, "total": round(total, 2), "items": items, "Payment Method": draw.choice(["card", "cash", "points"]),
                  "tip": draw.choice([None, 0.5, 1, "round up"]), "to go": draw.random() < 0.6,
                  "pickup_at": "2024-03-%02dT%02d:%02d:00" % ((time - START) // DAY + 1, time // HOUR % 24, time // MINUTE % 60)}
    if draw.random() < 0.3:
        properties["table"] = {"number": draw.randrange(1, 13), "area": draw.choice(["window", "garden"])}
    profile = None
    if person.get("signed_in"):
        person["orders"] += 1
        profile = {"orders": person["orders"], "favourite": items[0]["drink"]}
    send("Order Placed", time, person, properties, profile)
    time += draw.randrange(3, 15) * MINUTE
    send("Order Collected", time, person, {**channel, "wait_min": draw.randrange(3, 15)})
    if draw.random() < 0.3:
        time += draw.randrange(1, 40) * MINUTE
        send("Order Rated", time, person, {"rating": draw.choice([5, 4, 4, 5, 3, "5", "great", None]), "comment": draw.choice(
            ["", "lovely \"crema\"", "trop chaud, très bon", "☕👍", "slow today"])})
    return time


def main(path):
    shop = {"client": "till"}
    for day in range(DAYS):
        send("Shop Opened", START + day * DAY + 7 * HOUR, shop, {"staff": draw.randrange(2, 5)})
        if day % 7 == 2:
            send("Beans Delivered", START + day * DAY + 8 * HOUR, shop, {"kg": 12.5, "origin": ["Ethiopia", "Brazil"]}, insert_id=False)
    # Regulars: known from the start.
    for number in range(1, 9):
        person = {"id": f"guest-{number:02}", "client": draw.choice(["app", "web", "kiosk"]), "signed_in": True, "link": False, "orders": 0}
        for day in sorted(draw.sample(range(DAYS), draw.randrange(4, 8))):
            order(person, open_hours(day))
    # Visitors of the web shop: anonymous first; most sign up, some on the same day, some later.
    for number in range(9, 21):
        person = {"id": f"guest-{number:02}", "client": "web", "device": "%08x-web" % draw.getrandbits(32), "signed_in": False,
                  "link": True, "orders": 0}
        first = draw.randrange(0, 12)
        time = order(person, open_hours(first))
        if draw.random() < 0.25:
            continue
        if draw.random() < 0.5:
            time = open_hours(first + draw.randrange(1, 6))
            send("Menu Viewed", time, person, {"client": "web", "section": "coffee"})
        time += 2 * MINUTE
        person["signed_in"] = True
        send("Signed Up", time, person, {"client": "web", "newsletter": draw.random() < 0.5},
             {"$name": f"Guest {number}", "plan": "loyalty", "joined": "2024-03-%02d" % ((time - START) // DAY + 1)})
        for _ in range(draw.randrange(0, 3)):
            time += draw.randrange(20, 70) * HOUR
            if time < START + DAYS * DAY:
                time = order(person, START + (time - START) // DAY * DAY + open_hours(0) - START)
    # The tablet on the counter: guest-02 signs in on it, later guest-05 does; it stays guest-02's.
    tablet = {"client": "kiosk", "device": "counter-tablet", "signed_in": False, "link": True, "orders": 0, "id": ""}
    order(tablet, START + 3 * DAY + 9 * HOUR)
    send("Signed In", START + 3 * DAY + 10 * HOUR, {**tablet, "id": "guest-02", "signed_in": True}, {"client": "kiosk"})
    order(tablet, START + 5 * DAY + 9 * HOUR)
    send("Signed In", START + 6 * DAY + 9 * HOUR, {**tablet, "id": "guest-05", "signed_in": True}, {"client": "kiosk"})
    order(tablet, START + 6 * DAY + 10 * HOUR)
    # Around midnight, to the millisecond.
    night = {"id": "guest-01", "client": "app", "signed_in": True, "link": False}
    for ms in (-1, 0, 0, 1):
        send("Points Checked", START + 10 * DAY + ms, night, {"Loyalty Points": 40, "client": "app"})

    records.sort(key=lambda item: item[:2])
    sent = [record for _, _, record in records]
    orders = [record for record in sent if record["event"] == "Order Placed" and "insert_id" in record]
    # The network failed after the server had them: sent again, as they were.
    for record in draw.sample(orders, 3):
        sent.insert(sent.index(record) + draw.randrange(1, 20), dict(record))
    # Sent again corrected: the later one counts.
    wrong = draw.choice(orders)
    right = json.loads(json.dumps(wrong))
    right["properties"].update({"total": wrong["properties"]["total"] + 1, "corrected": True})
    sent.insert(sent.index(wrong) + 30, right)
    # The same insert id at another time is another event.
    twin = json.loads(json.dumps(orders[0]))
    twin["time"] += 1
    sent.insert(sent.index(orders[0]) + 1, twin)
    # A phone was offline: these arrive a day late.
    late = [record for record in sent if record["properties"].get("client") == "app"][10:14]
    for record in late:
        sent.remove(record)
    sent.extend(late)

    with open(path, "w", encoding="utf-8") as f:
        for record in sent:
            f.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(sent), "records")


main(*sys.argv[1:])
