"""The words of the pre-training stream: what its made-up tools do, what they take, and how requests say it.

None of it is the demo's: barrels are mended and goats are groomed here, no weather is looked up and no mail is sent.
"""

from tools.miniatures.values import listed

VERBS = listed(
    "mend paint polish brew harvest launch repair weld plant fold sew carve tune feed groom milk shear sort stack "
    "weigh mix bake roast heat cool fill drain lift lower park tow wash dry sharpen engrave inspect register rent lend "
    "store wrap seal test clean grind press bind trim shape stain glaze rig anchor steer"
)
NOUNS = listed(
    "barrel lantern boat violin tractor beehive telescope kiln greenhouse orchard horse wagon anvil loom canoe clock "
    "drum engine fence goat hammer kettle ladder mill net oven piano quilt raft saddle tent urn vase wheel yacht bell "
    "cabin dome easel flute globe harp ingot jar kite lens mast needle oar pump reel sail tile"
)
PARAMETERS = {
    "person": listed("owner keeper pilot guest captain maker rider tutor"),
    "place": listed("town harbour village depot yard stable origin port"),
    "word": listed("brand label shade grade mark species blend style"),
    "words": listed("motto remark caption note purpose legend reason memo"),
    "whole": listed("tally count weight rows depth pieces level age"),
    "decimal": listed("ratio width gauge price span height share load"),
    "day": listed("day due since born begin finish last_day seen_on"),
    "clock": listed("hour at_hour start_at ring_at closing shift"),
    "mail": listed("mail contact reply_to inbox owner_mail sender"),
    "code": listed("code serial badge ticket ref key_no permit"),
    "file": listed("file source target sheet photo log_file"),
    "flag": listed("urgent rush insured spare fragile indoor"),
    "several": listed("tags parts colours items crew steps"),
    "choice": listed("size mode variety finish_as rank season_of"),
    "record": listed("crate lot bundle detail setup frame"),
}
KIND_WEIGHTS = (4, 3, 3, 3, 4, 2, 3, 2, 2, 3, 1.5, 1.5, 1, 2, 0.5)
SHORT_KIND_WEIGHTS = (4, 4, 4, 1, 4, 1, 3, 1.5, 2, 3, 2, 0.5, 0.2, 2, 0)
CUES = {
    "person": ("for {v}", "for {v}", "that belongs to {v}", "with {v}"),
    "place": ("in {v}", "at {v}", "near {v}", "over in {v}"),
    "word": ("using {v}", "of type {v}", "in {v}"),
    "words": ('saying "{v}"', "saying '{v}'", "that says {v}", 'with the words "{v}"'),
    "whole": ("{v} times", "with {v} of them", "counting {v}"),
    "decimal": ("at {v}", "to {v}", "up to {v}"),
    "day": ("on {v}", "by {v}", "on {v}"),
    "clock": ("at {v}", "around {v}", "from {v}"),
    "mail": ("and write to {v}", "with a copy to {v}", "via {v}"),
    "code": ("under {v}", "number {v}", "with #{v}"),
    "file": ("from {v}", "into {v}", "as in {v}"),
    "several": ("including {v}", "with {v}"),
    "choice": ("{v}", "in {v}", "the {v} way"),
}
SURROUNDED_CUES = {
    kind: (*cues, *extra)
    for kind, cues in CUES.items()
    for extra in [
        {
            "person": ("so that {v} has it", "and hand {v} the rest", "as {v} wanted it"),
            "place": ("in {v} itself", "from {v} on", "down to {v} and back"),
            "word": ("with {v} on it", "and call it {v} now", "out of {v} again"),
            "words": ("with {v} written on it", "and name it {v} for me"),
            "whole": ("{v} pieces at once", "a number of {v} in all", "the count of {v} this time"),
            "decimal": ("{v} wide at most", "the size of {v} or so"),
            "day": ("before {v} at last", "on {v} already", "{v} being the day"),
            "clock": ("at {v} sharp", "{v} being the hour"),
            "mail": ("and tell {v} about it", "with {v} knowing of it"),
            "code": ("as {v} in the list", "the one under {v} there", "{v} out of all"),
            "file": ("with {v} at hand", "and put {v} beside it"),
        }.get(kind, ())
    ]
}
NAMED = ("{n} {v}", "{n} {v}", "with {n} {v}", "{n}: {v}", "{n}={v}", "{n} is {v}", "{v} as the {n}", "set {n} to {v}")
MONTHS = listed("January February March April May June July August September October November December")
OPENINGS = (
    "Please {}",
    "{}",
    "{}",
    "Can you {}",
    "I need you to {}",
    "Could you {}",
    "I want to {}",
    "Now {}",
    "Hi, {}",
)
JOINTS = (" and then ", ". Also ", ", and also ", "; then ", ". After that ")
NAMINGS = ("{v}_{n}", "{v}_{n}", "{v}_{n}", "{n}_{v}", "{n}.{v}", "{v}-{n}")
