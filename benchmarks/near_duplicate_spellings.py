"""Pairs of requests that differ in how one value is written, and pairs that differ in the value, by kind.

Written beside the tables of `spelled`, before the measure was tried on them; some of them no table has.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """A request with a place for a value, pairs of spellings of one value, and pairs of two values."""

    said: str
    same: tuple[tuple[str, str], ...]
    other: tuple[tuple[str, str], ...]


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((one.strip(), other.strip()) for one, _, other in (each.partition("|") for each in text.split(";")))


KINDS = {
    "currency": Kind(
        "Convert 500 {} into Swiss money, please",
        _pairs("USD|dollars; EUR|euros; Yen|JPY; GBP|pounds; INR|rupees; AUD|Australian dollars; BRL|reais; $|USD"),
        _pairs("USD|AUD; euros|dollars; GBP|JPY; Yen|Yuan; pesos|pounds; CAD|USD; francs|euros; KRW|INR"),
    ),
    "place": Kind(
        "What is the weather in {} going to be like tomorrow?",
        _pairs("New York|NYC; Los Angeles|LA; United Kingdom|UK; San Francisco|SF; Zürich|Zurich; Germany|DE; "
               "St. Louis|Saint Louis; Munich|München"),
        _pairs("New York|New Orleans; Austria|Australia; Paris|London; San Francisco|San Diego; LA|NYC; Bern|Berlin; "
               "Rome|Oslo; Kiel|Köln"),
    ),
    "time": Kind(
        "Remind me to call my mother at {} today",
        _pairs("9 am|09:00; 7 pm|19:00; 7pm|7:00 PM; 9:30 am|9.30 a.m.; 08:15|8:15 am; 5 p.m.|17:00; noon|12:00; "
               "half past nine|9:30 am"),
        _pairs("9 am|9 pm; 7 pm|8 pm; 09:00|09:30; 9:30 am|19:30; 08:15|08:50; 5 p.m.|05:00; noon|midnight; 6 am|6 pm"),
    ),
    "date": Kind(
        "Book a room for my parents from {} on",
        _pairs("3 May|May 3; 2026-05-03|3 May 2026; May 3rd|3 May; January 12|12 Jan; 1 June 2026|June 1st, 2026; "
               "2026-12-24|24 December 2026; 03.05.2026|3 May 2026; Friday|Fri"),
        _pairs("3 May|3 March; 2026-05-03|2026-05-30; May 3rd|May 13th; January 12|June 12; Friday|Saturday; "
               "1 June 2026|1 June 2027; 24 December|25 December; Monday|Sunday"),
    ),
    "number": Kind(
        "Order {} of the blue chairs for the office",
        _pairs("four|4; 21|21.0; 1200|1,200; twelve|12; 4|4.00; twenty|20; twenty-one|21; a dozen|12"),
        _pairs("four|five; 21|22; 1200|12000; 2.5|25; 14|40; twelve|twenty; -5|5; 1,200|1,250"),
    ),
    "language": Kind(
        "Translate good morning into {} for me",
        _pairs("German|de; French|fr; Japanese|ja; Ukrainian|uk; Spanish|es; Chinese|Mandarin; Danish|da; Finnish|fi"),
        _pairs("German|French; de|fr; Japanese|Javanese; Spanish|Swedish; Polish|Portuguese; en|es; Dutch|de; pl|pt"),
    ),
    "unit": Kind(
        "Show the distance and everything else in {} from now on",
        _pairs("km|kilometers; Celsius|C; miles|mi; kg|kilograms; hours|h; minutes|min; percent|%; feet|ft"),
        _pairs("km|miles; Celsius|Fahrenheit; kg|lbs; hours|minutes; m|km; metres|miles; days|weeks; feet|inches"),
    ),
    "writing": Kind(
        "Play some jazz in the {} at low volume",
        _pairs("living room|living_room; Kitchen|kitchen; bed-room|bedroom; café|cafe; hall|Hall; garage|the garage; "
               "guest room|guestroom; TV room|tv-room"),
        _pairs("living room|dining room; kitchen|garden; bedroom|bathroom; cafe|cave; hall|wall; garage|garden; "
               "guest room|rest room; TV room|tea room"),
    ),
    "free words": Kind(
        "Send Anna a message that says {} and nothing more",
        _pairs("I am late|I'll be late; I will be there soon|I'll be there soon; dinner is ready now|"
               "dinner's ready now; the meeting is moved|the meeting was moved; "
               "I can't come today|I cannot come today; call me back please|please call me back; "
               "happy birthday my dear|happy birthday, my dear!; "
               "thanks for your help|thank you for your help"),
        _pairs("I am late|I am at home; I will be there soon|I will never come back; dinner is ready now|"
               "the train is full; the meeting is moved|the meeting is cancelled; "
               "I can't come today|I won the lottery; call me back please|bring me bread please; "
               "happy birthday my dear|get well soon my dear; "
               "meet me at 5 today|meet me at 6 today"),
    ),
}  # fmt: skip
