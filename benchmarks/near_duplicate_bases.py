"""Twenty-five requests, each said in three ways, with other values for what it asks; see `near_duplicates`."""

from typing import NamedTuple

Values = dict[str, tuple[str, ...]]


class Base(NamedTuple):
    """A request: its tool, how it is said in three ways, and for each slot its value and two others."""

    tool: str
    said: tuple[str, str, str]
    values: Values


BASES = (
    Base(
        "convert_currency",
        (
            "Convert {amount} {of} to {to}",
            "How much is {amount} {of} in {to}?",
            "{amount} {of} into {to}, what is that?",
        ),
        {"amount": ("500", "900", "75"), "of": ("USD", "GBP", "CHF"), "to": ("Euros", "Yen", "Rupees")},
    ),
    Base(
        "get_weather",
        (
            "What is the weather in {city} {day}?",
            "Tell me the weather {day} in {city}",
            "How will the weather be in {city} {day}?",
        ),
        {"city": ("Oslo", "Rome", "Lima"), "day": ("tomorrow", "on Friday", "today")},
    ),
    Base(
        "set_light",
        (
            "Turn the {room} light {state}",
            "Switch the light in the {room} {state}",
            "The {room} light should be {state}, please",
        ),
        {"room": ("hall", "kitchen", "attic"), "state": ("on", "off", "to half")},
    ),
    Base(
        "book_table",
        (
            "Book a table for {people} at {place} at {time}",
            "I need a table at {place} for {people}, {time}",
            "Reserve {place} for {people} people at {time}",
        ),
        {
            "people": ("four", "two", "nine"),
            "place": ("the Golden Lion", "Mario's", "Blue Ocean"),
            "time": ("7 pm", "noon", "8:30 pm"),
        },
    ),
    Base(
        "send_mail",
        ("Send a mail to {who} saying {what}", "Mail {who}: {what}", "Write to {who} by mail that {what}"),
        {
            "who": ("anna@firma.example", "bob@shop.example", "li@uni.example"),
            "what": ("I am late", "the order is here", "we meet at ten"),
        },
    ),
    Base(
        "track_order",
        ("Where is my order {id}?", "Track order {id} for me", "Please tell me the status of order {id}"),
        {"id": ("A-1201", "B-7745", "C-3310")},
    ),
    Base(
        "search_flights",
        (
            "Find flights from {start} to {end} on {date}",
            "Search a flight {start} to {end}, {date}",
            "I want to fly from {start} to {end} on {date}",
        ),
        {
            "start": ("Paris", "Madrid", "Vienna"),
            "end": ("Tokyo", "Boston", "Cairo"),
            "date": ("3 May", "19 June", "1 August"),
        },
    ),
    Base(
        "add_event",
        (
            "Add {what} to my calendar on {date} at {time}",
            "Put {what} into the calendar for {date}, {time}",
            "Calendar entry: {what}, {date} at {time}",
        ),
        {
            "what": ("dentist", "team lunch", "piano lesson"),
            "date": ("Monday", "Thursday", "Sunday"),
            "time": ("9 am", "1 pm", "5 pm"),
        },
    ),
    Base(
        "stock_price",
        (
            "What is the stock price of {company}?",
            "Give me the current price of {company} shares",
            "How much does a {company} share cost right now?",
        ),
        {"company": ("Siemens", "Toyota", "Nestle")},
    ),
    Base(
        "translate",
        ("Translate '{text}' into {language}", "What is '{text}' in {language}?", "Say '{text}' in {language}"),
        {"text": ("good morning", "where is the station", "one more coffee"), "language": ("Greek", "Polish", "Thai")},
    ),
    Base(
        "set_timer",
        ("Set a timer for {minutes} minutes", "Start a {minutes} minute timer", "Ring in {minutes} minutes"),
        {"minutes": ("15", "40", "3")},
    ),
    Base(
        "rent_bike",
        (
            "Rent {count} bikes of type {kind} from {station}",
            "I would like {count} {kind} bikes at {station}",
            "{count} bikes, {kind}, picked up at {station}",
        ),
        {
            "count": ("2", "5", "8"),
            "kind": ("city", "cargo", "mountain"),
            "station": ("Main Square", "Harbour", "North Gate"),
        },
    ),
    Base(
        "play_music",
        ("Play {song} by {artist}", "Put on {song} from {artist}", "I want to hear {song} by {artist}"),
        {"song": ("Yesterday", "Halo", "Wannabe"), "artist": ("the Beatles", "Beyonce", "Spice Girls")},
    ),
    Base(
        "file_rename",
        ("Rename {old} to {new}", "Change the name of {old} into {new}", "The file {old} should be called {new}"),
        {"old": ("report.pdf", "photo1.png", "notes.txt"), "new": ("final.pdf", "beach.png", "ideas.txt")},
    ),
    Base(
        "run_query",
        (
            "Count the rows of table {table} where {column} is {value}",
            "How many rows in {table} have {column} {value}?",
            "Number of {table} rows with {column} equal to {value}",
        ),
        {
            "table": ("orders", "users", "visits"),
            "column": ("status", "country", "plan"),
            "value": ("open", "DE", "gold"),
        },
    ),
    Base(
        "calculate_tip",
        (
            "What is a {percent} % tip on {bill} dollars?",
            "Work out {percent} % tip for a bill of {bill} dollars",
            "Tip of {percent} % on {bill} dollars, please",
        ),
        {"percent": ("15", "20", "10"), "bill": ("82.50", "41", "130")},
    ),
    Base(
        "route",
        (
            "How do I get from {start} to {end} by {means}?",
            "Route from {start} to {end}, {means}",
            "Directions {start} to {end} by {means}",
        ),
        {
            "start": ("the museum", "City Hall", "the zoo"),
            "end": ("the airport", "Central Park", "the docks"),
            "means": ("bus", "car", "bike"),
        },
    ),
    Base(
        "create_invoice",
        (
            "Create an invoice over {sum} for {customer}",
            "Bill {customer} with {sum}",
            "Make out an invoice to {customer}, {sum}",
        ),
        {"sum": ("1200", "340", "89"), "customer": ("Meyer Ltd", "Novak GmbH", "Ito Inc")},
    ),
    Base(
        "post_tweet",
        (
            "Post '{text}' on my {account} account",
            "On {account}, publish '{text}'",
            "Share '{text}' with my {account} followers",
        ),
        {"text": ("we are hiring", "sale ends today", "new album out"), "account": ("company", "private", "press")},
    ),
    Base(
        "order_food",
        (
            "Order {count} {dish} from {place}",
            "I would like {count} {dish} delivered by {place}",
            "Get me {count} {dish} of {place}",
        ),
        {"count": ("2", "6", "1"), "dish": ("pizzas", "curries", "salads"), "place": ("Luigi", "Taj", "Green Bowl")},
    ),
    Base(
        "heating",
        (
            "Set the heating in the {room} to {degrees} degrees",
            "Make it {degrees} degrees in the {room}",
            "{room}: heating at {degrees} degrees",
        ),
        {"room": ("bedroom", "office", "bath"), "degrees": ("19", "23", "17")},
    ),
    Base(
        "find_recipe",
        (
            "Find a recipe with {one} and {two}",
            "What can I cook from {one} and {two}?",
            "Recipes that use {one} and {two}",
        ),
        {"one": ("lentils", "salmon", "tofu"), "two": ("spinach", "rice", "leeks")},
    ),
    Base(
        "loan_rate",
        (
            "What do I pay a month for a loan of {sum} over {years} years at {rate} %?",
            "Monthly rate of a {sum} loan, {years} years, {rate} %",
            "Compute the monthly payment: {sum} loaned for {years} years at {rate} %",
        ),
        {"sum": ("20000", "150000", "5000"), "years": ("5", "30", "2"), "rate": ("3.5", "4.1", "6")},
    ),
    Base(
        "get_news",
        (
            "Show me the news about {topic} from {source}",
            "What does {source} write about {topic}?",
            "News on {topic}, from {source} only",
        ),
        {"topic": ("solar power", "the elections", "football"), "source": ("the Guardian", "Le Monde", "the BBC")},
    ),
    Base(
        "reset_password",
        ("Reset the password of user {user}", "User {user} needs a new password", "Please give {user} a new password"),
        {"user": ("mschmidt", "klee", "ptanaka")},
    ),
)
