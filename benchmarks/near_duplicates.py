"""Recall and precision of the near-duplicate measure on 500 labelled pairs: `python -m benchmarks.near_duplicates`.

Twenty-five requests were written by hand, each with two ways to say the same and with other values for what it asks.
A pair is labelled "same" where the second text asks for the same call (said otherwise, misspelt, made polite, with a
value written in another way), "other" where it asks for a call with another value, another tool, or one value more.
The peer is what the project used before: word triples with a Jaccard index of 0.8.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from swap_assets.domain.conversations import Conversation, Provenance, ToolCall, ToolSpec, Turn
from swap_assets.domain.splits.leakage import candidate_pairs, minhashes
from swap_assets.domain.splits.similarity import NEAR_DUPLICATE, Request, alike, similarity

Values = dict[str, tuple[str, ...]]


class Base(NamedTuple):
    """A request: its tool, how it is said in three ways, and for each slot its value and two others."""

    tool: str
    said: tuple[str, str, str]
    values: Values


BASES = (
    Base("convert_currency", ("Convert {amount} {of} to {to}", "How much is {amount} {of} in {to}?", "{amount} {of} into {to}, what is that?"),
         {"amount": ("500", "900", "75"), "of": ("USD", "GBP", "CHF"), "to": ("Euros", "Yen", "Rupees")}),
    Base("get_weather", ("What is the weather in {city} {day}?", "Tell me the weather {day} in {city}", "How will the weather be in {city} {day}?"),
         {"city": ("Oslo", "Rome", "Lima"), "day": ("tomorrow", "on Friday", "today")}),
    Base("set_light", ("Turn the {room} light {state}", "Switch the light in the {room} {state}", "The {room} light should be {state}, please"),
         {"room": ("hall", "kitchen", "attic"), "state": ("on", "off", "to half")}),
    Base("book_table", ("Book a table for {people} at {place} at {time}", "I need a table at {place} for {people}, {time}", "Reserve {place} for {people} people at {time}"),
         {"people": ("four", "two", "nine"), "place": ("the Golden Lion", "Mario's", "Blue Ocean"), "time": ("7 pm", "noon", "8:30 pm")}),
    Base("send_mail", ("Send a mail to {who} saying {what}", "Mail {who}: {what}", "Write to {who} by mail that {what}"),
         {"who": ("anna@firma.example", "bob@shop.example", "li@uni.example"), "what": ("I am late", "the order is here", "we meet at ten")}),
    Base("track_order", ("Where is my order {id}?", "Track order {id} for me", "Please tell me the status of order {id}"),
         {"id": ("A-1201", "B-7745", "C-3310")}),
    Base("search_flights", ("Find flights from {start} to {end} on {date}", "Search a flight {start} to {end}, {date}", "I want to fly from {start} to {end} on {date}"),
         {"start": ("Paris", "Madrid", "Vienna"), "end": ("Tokyo", "Boston", "Cairo"), "date": ("3 May", "19 June", "1 August")}),
    Base("add_event", ("Add {what} to my calendar on {date} at {time}", "Put {what} into the calendar for {date}, {time}", "Calendar entry: {what}, {date} at {time}"),
         {"what": ("dentist", "team lunch", "piano lesson"), "date": ("Monday", "Thursday", "Sunday"), "time": ("9 am", "1 pm", "5 pm")}),
    Base("stock_price", ("What is the stock price of {company}?", "Give me the current price of {company} shares", "How much does a {company} share cost right now?"),
         {"company": ("Siemens", "Toyota", "Nestle")}),
    Base("translate", ("Translate '{text}' into {language}", "What is '{text}' in {language}?", "Say '{text}' in {language}"),
         {"text": ("good morning", "where is the station", "one more coffee"), "language": ("Greek", "Polish", "Thai")}),
    Base("set_timer", ("Set a timer for {minutes} minutes", "Start a {minutes} minute timer", "Ring in {minutes} minutes"),
         {"minutes": ("15", "40", "3")}),
    Base("rent_bike", ("Rent {count} bikes of type {kind} from {station}", "I would like {count} {kind} bikes at {station}", "{count} bikes, {kind}, picked up at {station}"),
         {"count": ("2", "5", "8"), "kind": ("city", "cargo", "mountain"), "station": ("Main Square", "Harbour", "North Gate")}),
    Base("play_music", ("Play {song} by {artist}", "Put on {song} from {artist}", "I want to hear {song} by {artist}"),
         {"song": ("Yesterday", "Halo", "Wannabe"), "artist": ("the Beatles", "Beyonce", "Spice Girls")}),
    Base("file_rename", ("Rename {old} to {new}", "Change the name of {old} into {new}", "The file {old} should be called {new}"),
         {"old": ("report.pdf", "photo1.png", "notes.txt"), "new": ("final.pdf", "beach.png", "ideas.txt")}),
    Base("run_query", ("Count the rows of table {table} where {column} is {value}", "How many rows in {table} have {column} {value}?", "Number of {table} rows with {column} equal to {value}"),
         {"table": ("orders", "users", "visits"), "column": ("status", "country", "plan"), "value": ("open", "DE", "gold")}),
    Base("calculate_tip", ("What is a {percent} % tip on {bill} dollars?", "Work out {percent} % tip for a bill of {bill} dollars", "Tip of {percent} % on {bill} dollars, please"),
         {"percent": ("15", "20", "10"), "bill": ("82.50", "41", "130")}),
    Base("route", ("How do I get from {start} to {end} by {means}?", "Route from {start} to {end}, {means}", "Directions {start} to {end} by {means}"),
         {"start": ("the museum", "City Hall", "the zoo"), "end": ("the airport", "Central Park", "the docks"), "means": ("bus", "car", "bike")}),
    Base("create_invoice", ("Create an invoice over {sum} for {customer}", "Bill {customer} with {sum}", "Make out an invoice to {customer}, {sum}"),
         {"sum": ("1200", "340", "89"), "customer": ("Meyer Ltd", "Novak GmbH", "Ito Inc")}),
    Base("post_tweet", ("Post '{text}' on my {account} account", "On {account}, publish '{text}'", "Share '{text}' with my {account} followers"),
         {"text": ("we are hiring", "sale ends today", "new album out"), "account": ("company", "private", "press")}),
    Base("order_food", ("Order {count} {dish} from {place}", "I would like {count} {dish} delivered by {place}", "Get me {count} {dish} of {place}"),
         {"count": ("2", "6", "1"), "dish": ("pizzas", "curries", "salads"), "place": ("Luigi", "Taj", "Green Bowl")}),
    Base("heating", ("Set the heating in the {room} to {degrees} degrees", "Make it {degrees} degrees in the {room}", "{room}: heating at {degrees} degrees"),
         {"room": ("bedroom", "office", "bath"), "degrees": ("19", "23", "17")}),
    Base("find_recipe", ("Find a recipe with {one} and {two}", "What can I cook from {one} and {two}?", "Recipes that use {one} and {two}"),
         {"one": ("lentils", "salmon", "tofu"), "two": ("spinach", "rice", "leeks")}),
    Base("loan_rate", ("What do I pay a month for a loan of {sum} over {years} years at {rate} %?", "Monthly rate of a {sum} loan, {years} years, {rate} %", "Compute the monthly payment: {sum} loaned for {years} years at {rate} %"),
         {"sum": ("20000", "150000", "5000"), "years": ("5", "30", "2"), "rate": ("3.5", "4.1", "6")}),
    Base("get_news", ("Show me the news about {topic} from {source}", "What does {source} write about {topic}?", "News on {topic}, from {source} only"),
         {"topic": ("solar power", "the elections", "football"), "source": ("the Guardian", "Le Monde", "the BBC")}),
    Base("reset_password", ("Reset the password of user {user}", "User {user} needs a new password", "Please give {user} a new password"),
         {"user": ("mschmidt", "klee", "ptanaka")}),
)  # fmt: skip
_SPELLED = {"Euros": "EUR", "Yen": "JPY yen", "7 pm": "7pm", "9 am": "9am", "four": "4", "3 May": "May 3", "1200": "1,200"}


def labelled_pairs(*, seed: int = 1, count: int = 500) -> list[tuple[Conversation, Conversation, bool]]:
    """Return labelled pairs, half of them "same" (True), the bases in turn."""
    draw = random.Random(seed)
    makers = [(_same_pairs(base, draw), _other_pairs(base, draw)) for base in BASES]
    each = count // 2 // len(BASES)
    return [
        (*pair, same)
        for maker in makers
        for same, pairs in zip((True, False), maker, strict=True)
        for pair in itertools.islice(pairs, each)
    ]


def _same_pairs(base: Base, draw: random.Random) -> Iterator[tuple[Conversation, Conversation]]:
    values = {name: given[0] for name, given in base.values.items()}
    text = base.said[0].format(**values)
    first = asking(base.tool, text, values)
    spelled = {name: _SPELLED.get(value, value) for name, value in values.items()}
    for other in (
        text.lower().rstrip("?"), f"Please {text[:1].lower()}{text[1:]}", f"Hi, {text} Thanks!", _misspelt(text, draw),
        base.said[1].format(**values), base.said[2].format(**values), f"{text} now, if you can",
        _misspelt(base.said[1].format(**values), draw), f"{base.said[2].format(**values)} Thank you.",
    ):  # fmt: skip
        yield first, asking(base.tool, other, values)
    yield first, asking(base.tool, base.said[0].format(**spelled), spelled)


def _other_pairs(base: Base, draw: random.Random) -> Iterator[tuple[Conversation, Conversation]]:
    values = {name: given[0] for name, given in base.values.items()}
    first = asking(base.tool, base.said[0].format(**values), values)
    changed = [{**values, name: other} for name, given in base.values.items() for other in given[1:]]
    for at, other in enumerate(changed):
        yield first, asking(base.tool, base.said[0 if at % 2 else 1].format(**other), other)
    yield first, asking(f"cancel_{base.tool}", f"Do not {base.said[0].format(**values).lower()}", values)
    yield first, asking(base.tool, f"{base.said[0].format(**values)} with priority 3", {**values, "priority": "3"})
    while True:
        other = {name: draw.choice(given) for name, given in base.values.items()}
        if other != values:
            yield first, asking(base.tool, draw.choice(base.said).format(**other), other)
        else:
            yield first, asking(f"explain_{base.tool}", f"What does it mean to {base.tool.replace('_', ' ')}?", {})


def _misspelt(text: str, draw: random.Random) -> str:
    """Swap two letters of the longest word that is no value of the request."""
    word = max((word for word in text.split() if word.isalpha()), key=len)
    at = draw.randrange(1, max(2, len(word) - 2))
    return text.replace(word, word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :], 1)


def asking(tool: str, text: str, values: dict[str, Any]) -> Conversation:
    """Return a conversation of one request and the call that it asks for."""
    call = ToolCall(name=tool, arguments=values)
    turns = (Turn(role="user", text=text), Turn(role="assistant", calls=(call,)))
    return Conversation(
        id=f"{tool} {text} {sorted(values.items())}", tools=(ToolSpec(name=tool),), turns=turns,
        provenance=Provenance(source="pairs", origin="real"),
    )  # fmt: skip


def by_triples(one: Request, other: Request) -> bool:
    """Judge a pair by word triples alone, as the project did before."""
    def triples(words: list[str]) -> frozenset[str]:
        return frozenset(" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2)))

    return similarity(triples(one.words), triples(other.words)) >= NEAR_DUPLICATE


def found(one: Request, other: Request) -> bool:
    """Judge a pair as a split does: it must be a candidate, and alike."""
    return one.key == other.key or any(
        alike(left, right) >= NEAR_DUPLICATE for left, right in candidate_pairs([one, other], minhashes([one, other]))
    )


def main() -> None:
    """Print recall and precision of both measures."""
    pairs = [(Request(one), Request(other), same) for one, other, same in labelled_pairs()]
    print(f"{len(pairs)} labelled pairs, {sum(same for *_, same in pairs)} of them the same request")
    for name, judge in (("letters and calls, as the project has it", found), ("word triples, as before", by_triples)):
        said = [(judge(one, other), same) for one, other, same in pairs]
        right, claimed, true = sum(a and b for a, b in said), sum(a for a, _ in said), sum(b for _, b in said)
        precision = f"{100 * right / claimed:.1f} %" if claimed else "none claimed"
        print(f"{name}: recall {100 * right / true:.1f} %, precision {precision}")


if __name__ == "__main__":
    main()
