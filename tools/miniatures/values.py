"""Open vocabularies: values that a miniature model can only write down by copying them.

A model trained on a few dozen fixed values scores 100 % on them and 0 % on new ones. So every value here is built
from syllables, letters and digits, and every value long enough to be told apart belongs by its checksum either to
training or to the held-out side: `Vocabulary(random, held_out=True)` never draws what training may have seen.

    word "plentro"   name "Drusa Weick"   place "Port Olmay"   code "QX-40218"   mail "t.bresk@olmay.net"
"""

import string
from collections.abc import Callable
from random import Random
from typing import Any
from zlib import crc32


def listed(text: str) -> list[str]:
    """Return the words of a text; word lists read better as text than as four hundred quoted words."""
    return text.split()


_ONSETS = listed(
    "b c d f g h j k l m n p r s t v w b c d f g h j k l m n p r s t v w "
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p ph pl pr qu r s sc sh sk sl sm sn sp spr st str sw t th "
    "tr tw v w wh y z"
)
_NUCLEI = listed("a e i o u a e i o u a e i o u ai au ay ea ee ei ie oa oi oo ou ow y")
_CODAS = listed(
    "n r l s t d m n r l s t d m c ck ct ff g gh ght ke k ld lf ll lm lt mp nce nd ne ng nk ns nt p ph pt rd re rk rm "
    "rn rs rt sh sk ss st te th ve x z"
)
_ACCENTS = {"a": "á", "e": "é", "i": "í", "o": "ö", "u": "ü", "n": "ñ", "c": "ç"}
_ENDINGS = ("com", "org", "net", "io", "dev", "co")
_PLACES = ("{0}", "{0}", "{0}", "Port {0}", "New {0}", "{0} Bay", "{0} Hill", "San {0}", "{0}ville", "{0} {1}")
_COMMON = listed(
    "a about above after again air all also always an and any apple are area around ask at away back bad ball be "
    "because bed been before began below best better between big bird black blue boat body book both box bread bring "
    "brother brown build but by call came can car care carry change child clean clear close cloud coat cold come cool "
    "copper corner could cover cross cut dark day deep did do does dog done door down draw dream drink drive dry each "
    "ear early earth east easy eat end enough even evening every eye face fall family far farm fast father feel few "
    "field fine fire first fish five floor flower fly food foot for four free fresh friend from front full game garden "
    "gave get girl give glass go gold good grass great green ground group grow had half hand happy hard has have he "
    "head hear heart heavy her here high hill him his hold home horse hot hour house how idea if in inside into iron "
    "is it job just keep kind king knew know lake land large last late laugh lay lead leaf learn leave left less let "
    "life light like line listen little long look lot love low made main make man many map mark may me mean meat meet "
    "milk mind more morning most mother mountain move much must my near need never new next night no north not "
    "nothing now of off often oil old on once one only open or orange order other our out over own page paper part "
    "people pick plain plan plant play point poor pull push put quick quiet rain ran reach ready real red rest right "
    "ring river road rock room round run said salt same sand saw say sea second see seem send set seven shall she ship "
    "short should show side silver simple sing sister sit six sleep slow small snow so soft some song soon sound south "
    "spring stand star start stay step still stone stop story street strong such summer sun sure sweet table take talk "
    "tall tell ten than that the their them then there these they thing think third this three through time to today "
    "together told too took top toward town tree true try turn two under until up us use very visit voice wait walk "
    "wall want warm was watch water way we week well went were west what wheel when where which while white who why "
    "wide will wind window winter wish with without wood word work world would write year yellow yes yet you young your"
)
_BOUNDARIES = set(listed("and as at by for from in is of on set that the then to under with about near over"))
_PIECES = listed(
    "tion ion ation sion ment ness able ible ary ory ional ity ive ing ed er est ous ious ful less ism ist ance ence "
    "ture ward ship hood ly al ial ure age ate ise ize ent ant ency dom fy ct ject port form press sist spect struct "
    "tend duct mit pose sent tain vent fer cess gress pel par con com pro trans inter ex dis un re sub de pre per sur "
    "over under out mis im in ab ad mer son ton land ford burg ville field stein man der ker ger ler ber mar car har "
    "lan sen let ster tle dle ble ple text list set value number word name code line any get col ect ase eri ange"
)
PLAIN_WORDS = [word for word in _COMMON if word not in _BOUNDARIES]


def is_held_out(text: str) -> bool:
    """Return whether a word or number belongs to the fifth that training never sees."""
    return crc32(text.lower().encode()) % 5 == 0


class Vocabulary:
    """Draws values of one side, training or held-out; the same `random` gives the same values.

    With `compounds`, half of the words are English pieces put together ("overject", "stonement"): made-up syllables
    alone leave a fifth of the tokenizer's tokens untrained, and a token that was never a target is never written.
    """

    def __init__(self, random: Random, *, held_out: bool, compounds: bool = False) -> None:
        self._random = random
        self._held_out = held_out
        self._compounds = compounds

    def _admitted(self, make: Callable[[], str]) -> str:
        text = make()
        for _ in range(200):
            if is_held_out(text) is self._held_out:
                return text
            text = make()
        raise RuntimeError(f"no value of the wanted side in 200 draws, the last one was {text!r}")

    def _syllables(self) -> str:
        count = self._random.choices((1, 2, 3), (3, 6, 1))[0]
        parts = [self._random.choice(_ONSETS) + self._random.choice(_NUCLEI) for _ in range(count)]
        text = "".join(parts) + (self._random.choice(_CODAS) if count == 1 or self._random.random() < 0.5 else "")
        if self._random.random() < 0.02:
            text = "".join(_ACCENTS.get(letter, letter) for letter in text)
        return text

    def _compound(self) -> str:
        first = self._random.choice(self._random.choice((_COMMON, _PIECES, _PIECES)))
        return first + "".join(self._random.choices(_PIECES, k=self._random.choice((1, 1, 2))))

    def word(self) -> str:
        """Return a pronounceable word of one to three syllables that is no common English word."""
        if self._compounds and self._random.random() < 0.5:
            return self._admitted(self._compound)
        return self._admitted(self._syllables)

    def person(self) -> str:
        """Return a first name, or a first and a last name."""
        return " ".join(self.word().capitalize() for _ in range(self._random.choice((1, 1, 2))))

    def place(self) -> str:
        """Return a name of a town."""
        return self._random.choice(_PLACES).format(self.word().capitalize(), self.word().capitalize())

    def whole(self) -> int:
        """Return a whole number; from four digits on its side is certain."""
        digits = self._random.choices((1, 2, 3, 4, 5), (4, 5, 3, 2, 1))[0]
        if digits < 4:
            return self._random.randrange(1, 10**digits)
        return int(self._admitted(lambda: str(self._random.randrange(10 ** (digits - 1), 10**digits))))

    def decimal(self) -> float:
        """Return a number with one or two digits after the point."""
        return round(self._random.randrange(11, 99999) / 100, self._random.choice((1, 2)))

    def day(self) -> str:
        """Return an ISO day between 1950 and 2059."""
        return self._admitted(self._day)

    def _day(self) -> str:
        year, month = self._random.randrange(1950, 2060), self._random.randrange(1, 13)
        return f"{year}-{month:02}-{self._random.randrange(1, 29):02}"

    def clock(self) -> str:
        """Return a time of day; there are too few of them to hold any out."""
        return f"{self._random.randrange(24):02}:{self._random.randrange(60):02}"

    def mail(self) -> str:
        """Return a mail address."""
        user = self.word() + self._random.choice(("", "", str(self._random.randrange(100))))
        user = self._random.choice((f"{self.word()}.{user}", f"{self.word()[0]}.{user}", user, user))
        return f"{user}@{self.word()}.{self._random.choice(_ENDINGS)}"

    def code(self) -> str:
        """Return an identifier: letters and digits with a separator or none."""
        return self._admitted(self._code)

    def _code(self) -> str:
        letters = self._random.choice((string.ascii_uppercase, string.ascii_uppercase, string.ascii_lowercase))
        head = "".join(self._random.choices(letters, k=self._random.randrange(1, 5)))
        tail = "".join(self._random.choices(string.digits, k=self._random.randrange(2, 7)))
        return self._random.choice((f"{head}-{tail}", f"{head}{tail}", f"{head}_{tail}", f"{tail}-{head}", tail))

    def file(self) -> str:
        """Return a file name, with folders before it or without."""
        names = [self.word() for _ in range(self._random.choice((1, 1, 2, 3)))]
        lead = "/" if len(names) > 2 else ""
        return lead + "/".join(names) + "." + self._random.choice(("txt", "csv", "md", "pdf", "log", "png"))

    def words(self) -> str:
        """Return two to five words in which common English ones and made-up ones mix."""
        count = self._random.randrange(2, 6)
        made_up = self._random.randrange(count)
        return " ".join(
            self.word() if place == made_up or self._random.random() < 0.2 else self._random.choice(PLAIN_WORDS)
            for place in range(count)
        )

    def noise(self) -> str:
        """Return a short run of letters, digits and punctuation, for the copy drills."""
        symbols = string.ascii_letters + string.digits + string.punctuation * 2
        return self._admitted(lambda: "".join(self._random.choices(symbols, k=self._random.randrange(4, 12))))

    def options(self) -> tuple[str, ...]:
        """Return two to four common words to choose from; such words are on both sides."""
        return tuple(self._random.sample(PLAIN_WORDS, self._random.randrange(2, 5)))

    def flag(self) -> bool:
        """Return yes or no."""
        return self._random.random() < 0.5

    def several(self) -> list[Any]:
        """Return two to four words or whole numbers."""
        draw: Callable[[], Any] = self._random.choice((self.word, self.word, self.whole))
        return [draw() for _ in range(self._random.randrange(2, 5))]
