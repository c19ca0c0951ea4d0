"""The sentences around requests, per pool: a test row is never worded like a training row."""

from swap_assets.domain.synthetic.grammar import Pool

Wordings = dict[Pool, tuple[str, ...]]

OPENINGS: Wordings = {
    "train": ("{}", "please {}", "can you {}", "hi, {}"),
    "test": ("{}", "could you {}", "hello, {}", "I want you to {}"),
}
CLAUSES: Wordings = {"train": (", {label} {text}", " with {label} {text}"), "test": (", the {label} being {text}",)}
FLAG_CLAUSES: Wordings = {"train": (", {label} yes",), "test": (", and {label} please",)}
TWO: Wordings = {"train": ("{} and {}", "{}, then also {}"), "test": ("{}; also {}", "{}, and besides that {}")}
WISHES: Wordings = {"train": ("I would like to {intent}", "I want to {intent}"), "test": ("I need to {intent}",)}
ASKS: Wordings = {
    "train": ("Which {label} should I use?", "What is the {label}?"),
    "test": ("Could you tell me the {label}?",),
}
REPLIES: Wordings = {"train": ("{text}", "The {label} is {text}.", "Use {text}."), "test": ("It should be {text}.",)}
CHAINS: Wordings = {
    "train": ("{first}, then I want to {intent} with the {label} you get{rest}",),
    "test": ("{first}; afterwards I need to {intent} using the {label} from the answer{rest}",),
}
CORRECTIONS: Wordings = {
    "train": (
        "Actually, make the {label} {text}.",
        "Do the same with {label} {text}.",
        "Sorry, the {label} is {text}.",
    ),
    "test": ("Change the {label} to {text}.", "Once more, but for {label} {text}."),
}
BACK_REFERENCES: Wordings = {
    "train": ("Now I want to {intent} with that {label}{rest}.",),
    "test": ("Next I need to {intent}, taking the {label} from above{rest}.",),
}
DECLINES: Wordings = {
    "train": ("None of my tools can do that.", "I can't do that with the tools I have."),
    "test": ("Sorry, that is beyond the tools at hand.",),
}
CLOSINGS: Wordings = {"train": ("Done.", "That is done."), "test": ("All set.",)}
