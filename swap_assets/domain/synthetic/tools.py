"""The tools of generated rows, three of each domain: what they take and how people ask for them.

Training and test rows never share a phrasing. `# name` begins a domain, the first tool of each is its short one, and
`?` marks an optional slot. Behind the signature stands the description and what the tool does as a training and as a
test row say it without values, then the phrasings of both pools: imperative, with every required slot in braces.
The values of the slots are in `values`.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from swap_assets.domain.model import ToolSpec

Pool = Literal["train", "test"]
POOLS: tuple[Pool, ...] = ("train", "test")

_STRINGS = {
    "place": "a place name", "person": "a person's full name", "email": "an e-mail address",
    "date": "a date, YYYY-MM-DD", "time": "a time of day, HH:MM on 24 hours", "code": "a reference such as AB-1234",
    "word": "one word", "phrase": "a few words", "file": "a file name", "ticker": "a stock symbol",
    "handle": "a user name",
}  # fmt: skip


class Slot(NamedTuple):
    """One parameter of a generated tool; `options` are an enum's values or a number's (lowest, highest, unit)."""

    name: str
    kind: str
    required: bool
    options: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name as people say it: `order_id` is "order id"."""
        return self.name.replace("_", " ")

    def schema(self) -> dict[str, Any]:
        """Return the slot's JSON Schema."""
        match self.kind:
            case "int":
                return {"type": "integer", "minimum": int(self.options[0]), "maximum": int(self.options[1])}
            case "number":
                return {"type": "number", "description": (*self.options[2:], self.label)[0]}
            case "enum":
                return {"type": "string", "enum": list(self.options)}
            case "bool":
                return {"type": "boolean", "description": self.label}
            case "words" | "people" | "emails":
                return {"type": "array", "items": {"type": "string"}, "minItems": 1}
            case "address":
                parts = {part: {"type": "string"} for part in ("street", "city", "postcode")}
                return {"type": "object", "properties": parts, "required": list(parts)}
        plain = {"type": "string", "description": _STRINGS[self.kind]}
        return plain | ({"format": "date"} if self.kind == "date" else {})


@dataclass(frozen=True, eq=False)
class ToolPlan:
    """A tool and the ways to ask for it; `{slot}` stands for a required slot, optional ones are added as clauses."""

    domain: str
    name: str
    description: str
    slots: list[Slot]
    phrasings: dict[Pool, list[str]]
    intents: dict[Pool, str]

    @cached_property
    def required(self) -> list[Slot]:
        """The slots that every call fills."""
        return [slot for slot in self.slots if slot.required]

    @cached_property
    def optional(self) -> list[Slot]:
        """The slots that a call may leave out."""
        return [slot for slot in self.slots if not slot.required]

    @cached_property
    def flat(self) -> bool:
        """Whether it takes no object."""
        return all(slot.kind != "address" for slot in self.slots)

    @cached_property
    def spec(self) -> ToolSpec:
        """The tool as it is offered, one object for all rows."""
        properties = {slot.name: slot.schema() for slot in self.slots}
        schema = {"type": "object", "properties": properties, "required": [slot.name for slot in self.required]}
        return ToolSpec(name=self.name, description=self.description, parameters=schema)


_TABLE = """
# weather
get_forecast(place:place, date:date, unit?:enum=celsius|fahrenheit, days?:int=1|14)
Get the weather forecast for a place on a date. | get a weather forecast | know the weather
train: get the weather forecast for {place} on {date} | tell me the weather in {place} on {date}
train: check if it will rain on {date} in {place} | look up the forecast for {date} in {place}
test: show me how the weather looks in {place} on {date} | find out what the weather is on {date} in {place}
set_storm_alert(place:place, email:email, wind_speed:int=40|120, season?:enum=spring|summer|autumn|winter)
Send an e-mail when the wind in a place passes a speed in km/h. | set a storm alert | be warned of storms
train: set a storm alert for {place} and mail {email} when the wind passes {wind_speed} km/h
train: warn {email} when the wind in {place} is above {wind_speed} km/h
test: let {email} know once winds around {place} go over {wind_speed} km/h
compare_climate(places:words, start_date:date, end_date:date, metric?:enum=rain|sun|temperature)
Compare the climate of places over a period. | compare climates | see climates side by side
train: compare the climate of {places} from {start_date} to {end_date}
test: put the climate of {places} between {start_date} and {end_date} side by side

# search
search_news(topic:phrase, since:date, language?:enum=english|german|french|spanish, limit?:int=1|50)
Search news articles about a topic. | search the news | read the news
train: search the news about {topic} since {since} | find news articles on {topic} since {since}
train: look for news about {topic} published after {since}
test: bring up news stories on {topic} from {since} on | see what the press wrote about {topic} since {since}
find_expert(field:word, place:place, max_rate?:int=20|400, remote?:bool)
Find an expert in a field near a place; the rate is in euros an hour. | find an expert | get hold of a specialist
train: find an expert in {field} near {place} | search for a {field} expert in {place}
test: look around {place} for a specialist in {field}
search_papers(author:person, keywords:words, year?:int=1980|2026)
Search scientific papers by author and keywords. | search for papers | dig out papers
train: search for papers by {author} about {keywords} | list papers of {author} on {keywords}
test: dig out what {author} published on {keywords}

# e-commerce
order_product(product:phrase, quantity:int=1|99, color?:enum=red|blue|green|black|white, express?:bool)
Order a product. | order a product | purchase something
train: order {quantity} pieces of {product} | buy {quantity} units of {product}
train: place an order for {quantity} of the product {product} | add {product} to my order, quantity {quantity}
test: get me {product}, {quantity} of them | purchase {quantity} items of {product}
track_order(order_id:code, email:email, detail?:enum=short|full)
Track an order. | track an order | follow a parcel
train: track order {order_id} for {email} | check where order {order_id} of {email} is
test: follow the parcel of order {order_id} placed by {email}
ship_parcel(recipient:person, address:address, weight:number=1|30|kilograms, insured?:bool)
Ship a parcel to an address. | ship a parcel | send a package
train: ship a parcel of {weight} kg to {recipient}, {address}
test: send {recipient} a package weighing {weight} kg at {address}

# calendar
create_event(title:phrase, date:date, time:time, duration_minutes?:int=10|240, calendar?:enum=work|home)
Create a calendar event. | create an event | put something in my calendar
train: create an event called {title} on {date} at {time} | schedule {title} for {date} at {time}
train: add {title} to my calendar on {date} at {time}
test: put {title} in my calendar for {date}, {time} | block {date} at {time} for {title}
invite_people(event_id:code, guests:emails, message?:phrase)
Invite people to an event. | invite people | ask people to an event
train: invite {guests} to event {event_id} | send an invitation for event {event_id} to {guests}
test: ask {guests} to come to event {event_id}
set_reminder(text:phrase, date:date, repeat?:enum=daily|weekly|monthly, time?:time)
Set a reminder. | set a reminder | be reminded of something
train: set a reminder about {text} on {date} | remind me of {text} on {date}
test: make sure I remember {text} on {date}

# maps
get_route(origin:place, destination:place, mode?:enum=car|train|bicycle|walk, departure?:time)
Find a route between two places. | find a route | travel somewhere
train: find a route from {origin} to {destination} | show the way from {origin} to {destination}
train: get directions to {destination} from {origin}
test: tell me how to travel from {origin} to {destination} | plan the trip to {destination} from {origin}
find_nearby(kind:enum=pharmacy|hotel|museum|garage, place:place, radius_km:int=1|50, open_now?:bool)
Find places of a kind near a place. | find a place nearby | see what is around
train: find a {kind} within {radius_km} km of {place} | look for a {kind} near {place}, radius {radius_km} km
test: point me to a {kind} no more than {radius_km} km from {place}
save_location(label:word, address:address, shared?:bool)
Save an address under a label. | save a location | keep an address
train: save {address} under the label {label}
test: keep {address} as {label} among my places

# communication
send_email(recipient:email, subject:phrase, priority?:enum=low|normal|high, send_at?:time)
Send an e-mail. | send an email | write to somebody
train: send an email to {recipient} with the subject {subject} | email {recipient} about {subject}
train: write a mail to {recipient}, subject {subject}
test: drop {recipient} a mail titled {subject} | contact {recipient} by mail, the subject being {subject}
schedule_call(person:person, date:date, time:time, topic?:phrase)
Schedule a phone call. | schedule a call | arrange a phone call
train: schedule a call with {person} on {date} at {time} | set up a call with {person} for {date}, {time}
test: arrange to phone {person} on {date} at {time}
post_to_channel(channel:word, message:phrase, mentions?:people, thread?:code)
Post a message to a team channel. | post a message | tell the team something
train: post {message} to the {channel} channel | write {message} in the channel {channel}
test: tell everyone in channel {channel}: {message}

# finance
transfer_money(recipient:person, amount:int=5|9000, currency?:enum=euro|dollar|pound, due?:date)
Transfer money to a person. | transfer money | pay somebody
train: transfer {amount} to {recipient} | send {amount} to the account of {recipient}
train: pay {recipient} the sum of {amount}
test: make a payment of {amount} to {recipient} | wire {recipient} {amount}
pay_invoice(invoice_id:code, amount:number=10|9000|euros, date?:date, note?:phrase)
Pay an invoice. | pay an invoice | settle a bill
train: pay invoice {invoice_id} with {amount} euros | pay {amount} euros for invoice {invoice_id}
test: settle bill {invoice_id}, that is {amount} euros
get_stock_price(ticker:ticker, date:date, field?:enum=open|close|high|low)
Get a stock price on a date. | get a stock price | check a share
train: get the stock price of {ticker} on {date} | show what {ticker} cost on {date}
test: check the share {ticker} as of {date}

# database
fetch_record(table:word, record_id:code, format?:enum=json|csv|xml, include_history?:bool)
Fetch a record from a table. | fetch a record | read an entry
train: fetch record {record_id} from the table {table} | read entry {record_id} of table {table}
train: load the record {record_id} out of {table}
test: pull {record_id} from the {table} table | give me what table {table} holds under {record_id}
count_rows(table:word, column:word, value:word, since?:date)
Count the rows of a table where a column has a value. | count rows | know how many rows there are
train: count the rows of table {table} where {column} is {value}
test: work out how many rows in table {table} have {value} as their {column}
update_customer(customer_id:code, address:address, email:email, verified?:bool)
Update a customer's address. | update a customer | change a customer's data
train: update customer {customer_id}: mail {email}, address {address}
test: change the data of customer {customer_id} to {address} and {email}

# files
move_file(file:file, folder:word, overwrite?:bool, new_name?:file)
Move a file to a folder. | move a file | tidy up a file
train: move the file {file} to the folder {folder} | put {file} into the folder {folder}
train: place {file} in folder {folder}
test: shift {file} over to the {folder} folder | have {file} stored under {folder}
share_file(file:file, people:emails, access?:enum=view|comment|edit, until?:date)
Share a file with people. | share a file | give people access to a file
train: share {file} with {people} | give {people} access to the file {file}
test: let {people} open {file}
convert_file(file:file, target:enum=pdf|docx|png|mp3|txt, quality?:int=1|100)
Convert a file to another format. | convert a file | change a file's format
train: convert {file} to {target} | turn the file {file} into {target}
test: make a {target} out of {file}

# social
follow_user(handle:handle, list_name:word, notify?:enum=all|none|mentions)
Follow a user and put them on a list. | follow a user | keep up with an account
train: follow the user {handle} and add them to the list {list_name} | follow {handle} on my list {list_name}
train: put {handle} on the list {list_name} and follow them
test: keep up with {handle} through my {list_name} list | subscribe to {handle}, list {list_name}
publish_post(text:phrase, tags:words, date?:date, audience?:enum=public|friends)
Publish a post with tags. | publish a post | say something online
train: publish a post saying {text} with the tags {tags} | post {text} and tag it {tags}
test: put {text} online, tagged {tags}
send_gift_card(friend:person, handle:handle, amount:int=5|200, message?:phrase)
Send a friend a gift card; the amount is in euros. | send a gift card | treat a friend
train: send a gift card of {amount} euros to {friend}, account {handle}
test: treat {friend}, known as {handle}, to a gift card worth {amount} euros
"""


def _read_table() -> list[ToolPlan]:
    plans: list[ToolPlan] = []
    for domain, _, block in (part.partition("\n") for part in _TABLE.removeprefix("\n# ").strip().split("\n\n# ")):
        for tool in re.split(r"\n(?=\w+\()", block):
            signature, about, *said = tool.split("\n")
            name, _, listed = signature.removesuffix(")").partition("(")
            description, *told = about.split(" | ")
            slots = [_slot(slot) for slot in listed.split(", ")]
            phrasings: dict[Pool, list[str]] = {
                pool: [each for mark, _, text in (line.partition(": ") for line in said) if mark == pool
                       for each in text.split(" | ")] for pool in POOLS
            }  # fmt: skip
            plans.append(ToolPlan(domain, name, description, slots, phrasings, dict(zip(POOLS, told, strict=True))))
    return plans


def _slot(text: str) -> Slot:
    name, _, spec = text.partition(":")
    kind, _, options = spec.partition("=")
    return Slot(name.rstrip("?"), kind, not name.endswith("?"), tuple(options.split("|")) if options else ())


ALL_TOOLS = _read_table()
DOMAINS: tuple[str, ...] = tuple(dict.fromkeys(tool.domain for tool in ALL_TOOLS))
