"""Which of the ten domains a conversation belongs to; everything else is "other".

Rule, total and in this order: the row's own `category` where it names a domain; else the domain with most points,
where a keyword in a called function's name gives 3, in the category or the task 2, in an offered function's name 1;
ties go to the domain that stands first in `KEYWORDS`; no point at all is "other".
"""

import re
from functools import cache

from swap_assets.domain.model import Conversation

OTHER = "other"
KEYWORDS: dict[str, tuple[str, ...]] = {
    domain: tuple(words.split())
    for domain, words in {
        "weather": "weather forecast temperature climate storm rain",
        "search": "search news article articles lookup find recipe recipes movie book papers",
        "e-commerce": (
            "order orders product products cart shop shopping purchase ecommerce commerce retail inventory "
            "shipping shipment discount consumer"
        ),
        "calendar": "calendar event events meeting reminder appointment schedule task alarm",
        "maps": "map maps route directions distance location nearby flight flights navigation",
        "communication": "email mail message sms call communication notify notification chat",
        "finance": (
            "finance financial stock payment invoice currency exchange loan mortgage trading trade bank "
            "account accounting tip tax portfolio"
        ),
        "database": "database sql table record records query data dataset crm",
        "files": "file files folder document documents upload download directory pdf image",
        "social": "social post tweet follow profile media friend user feed",
    }.items()
}
DOMAINS: tuple[str, ...] = tuple(KEYWORDS)


def domain_of(conversation: Conversation) -> str:
    """Return one of `DOMAINS` or "other"."""
    if conversation.category in KEYWORDS:
        return conversation.category
    called = frozenset(call.name for turn in conversation.turns for call in turn.calls)
    return _domain(called, frozenset(tool.name for tool in conversation.tools), _labels(conversation))


def _labels(conversation: Conversation) -> str:
    return f"{conversation.category} {conversation.subcategory} {conversation.task}"


@cache
def _domain(called: frozenset[str], offered: frozenset[str], labels: str) -> str:
    weights = [(" ".join(called), 3), (labels, 2), (" ".join(offered), 1)]
    words = [(set(_words(text)), weight) for text, weight in weights]
    points = {
        domain: sum(weight * len(found & set(keywords)) for found, weight in words)
        for domain, keywords in KEYWORDS.items()
    }
    best = max(points, key=lambda domain: points[domain])
    return best if points[best] else OTHER


def _words(text: str) -> list[str]:
    """Split names as programmers write them: `getStockPrice`, `get_stock_price` and "stock price" alike."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return re.findall(r"[a-z]+", spaced.lower())
