"""The words by which the offline planner tells questions apart."""

from __future__ import annotations

import re

SIZE = ("area", "fraction_of_image", "longest_diameter", "perpendicular_diameter")
DIAMETERS = ("longest_diameter", "perpendicular_diameter")
THICKNESS = ("thickness", *DIAMETERS)  # what is no layer or wall has diameters only
COMPARED = frozenset(["area", "volume", "fraction_of_image"])
"""The sizes that two objects can be compared by."""
OF_EACH = ("area", "longest_diameter", "perpendicular_diameter")
NUMBERS = ("count", "density", "area")
SIZE_IN_VOLUME = ("volume", "slice", "longest_diameter", "perpendicular_diameter")
BRIGHTNESS = ("mean_intensity", "sd_intensity", "min_intensity", "max_intensity")


def any_of(*patterns: str) -> re.Pattern[str]:
    """Any of these as whole words, whatever the case."""
    return re.compile(r"\b(?:" + "|".join(patterns) + r")\b", re.IGNORECASE)


# In the order of the answer; the last one, the size in general, only when nothing else is asked.
QUANTITIES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(
            r"\b(?:share|percent\w*|proportion|fraction|how much of (?:the|this)|what part of)\b|%",
            re.IGNORECASE,
        ),
        ("fraction_of_image",),
    ),
    (
        any_of(
            "(?:average|mean|typical) (?:[\\w-]+ ){0,2}?(?:size|area)s?",
            "how (?:large|big)(?: \\w+){1,4} on average",
        ),
        ("count", "mean_area"),
    ),
    (any_of("how thi(?:ck|n)", "thickness(?:es)?", "thicker", "thinner"), THICKNESS),
    (
        any_of(
            "how (?:wide|long)", "width", "diameters?", "across", "length", "wider", "widest",
            "narrower", "shorter", "longest", "(?<!no )longer",
        ),
        DIAMETERS,
    ),
    (
        any_of("how (?:tall|high)", "taller", "height", "bounding box", "extent in"),
        ("bounding_box",),
    ),
    (any_of("aspect ratio", "elongat\\w+", "oval", "oblong"), ("elongation",)),
    (any_of("volume", "how many m[lL]", "cubic"), ("volume",)),
    (
        any_of("(?:which|what|best|key|largest|how many) slices?", "slice number"),
        ("slice",),
    ),
    (any_of("short axis", "short diameter"), ("short_axis",)),
    (any_of("3-?d diameter", "three-dimensional diameter"), ("max_3d_diameter",)),
    (any_of("spherical", "sphericity"), ("sphericity",)),
    (any_of("perimeter", "circumference", "(?:outline|border) length"), ("perimeter",)),
    (
        any_of("round(?:er)?", "circular\\w*", "roundness", "irregular\\w*", "ragged", "smooth"),
        ("circularity",),
    ),
    (any_of("cent(?:re|er)", "centroid", "middle of"), ("centroid",)),
    (
        any_of(
            "bright\\w*", "dark\\w*", "intensit\\w+", "denser?", "densit\\w+", "hounsfield", "hu",
            "gr[ea]y value", "signal", "standard deviation",
        ),
        BRIGHTNESS,
    ),
    (any_of("area", "surface"), ("area", "fraction_of_image")),
    (
        any_of(
            "how (?:large|big|small|much)", "size", "dimension\\w*", "measure\\w*", "extent",
            "(?:larger|bigger|smaller) than (?:\\d+|half|a|one)",
        ),
        SIZE,
    ),
)  # fmt: skip

_PERSON = "(?:the|this|my|our) (?:patient|person|man|woman|child|baby|fetus)"
_DISEASE = (
    "cancer\\w*|malignan\\w+|carcinoma|melanoma|sarcoma|lymphoma|metasta\\w+|pneumonia|tuberculosis|"
    "covid\\S*|glaucoma|retinopathy|cirrhosis|stroke"
)
DISEASE = any_of("cancers?", "carcinomas?", "melanomas?", "sarcomas?", "lymphomas?", "adenomas?")
"""Names of what something is, where an outline shows that it is there."""
DIAGNOSIS = any_of(
    "diagnos\\w+", "prognos\\w+", "surviv\\w+", "wh(?:at|ich) disease", "do i have",
    "am i (?!looking|seeing)",
    f"do(?:es)? (?:he|she|they|{_PERSON}) have", "what(?: i|['’]?)s wrong", "risk of", "stage is",
    "tnm", "bi-?rads", "how (?:serious|dangerous|bad)",
    "how old", "(?:gestational|bone) age", "weeks (?:pregnant|of gestation)",
    "(?:is|are) (?:it|this|that|they|the \\w+) (?:malignant|benign|dangerous|serious|"
    f"normal|abnormal|healthy|infected|bad|(?:an? )?(?:{_DISEASE}))",
    "(?:is|are) (?:[\\w']+ ){1,3}(?:enlarged|swollen|dilated|inflamed|atroph\\w+)",
    "wh(?:at|ich) (?:type|kind|sort|grade|stage) of (?!image|scan|picture)\\w+",
)  # fmt: skip
NO_DIAGNOSIS = any_of(
    "(?:how (?:large|big|wide|long|thick|small|tall|high|bright|dark|round)|where) (?:is|are)",
    f"how many \\w+ do(?:es)? (?:he|she|they|{_PERSON}) have",
)
"""After these "the breast cancer" is a thing to measure, and no question whether it is one."""
ABNORMAL = any_of(
    "(?:any|some|no)thing (?:\\w+ )?(?:abnormal|unusual|suspicious|wrong|odd|strange|pathological)",
    "abnormalit\\w+", "patholog(?:y|ies)", "is there (?:any|some)thing (?:in|on|inside|within|"
    "around|near|behind|beside|next to|outside|between)",
)  # fmt: skip
TREATMENT = any_of(
    "dose", "dosage", "dosing", "medicat\\w+", "drugs?", "treat\\w*", "therap\\w+", "surg\\w+",
    "operat(?:e|ion)", "prescri\\w+", "chemo\\w*", "radiotherapy",
    "should (?:i|we|he|she|the patient) (?!look|measure|ask|see|open|choose|pick|use)",
    "(?:how (?:many|much)|\\d+) ?mg",
)  # fmt: skip

UNIT = re.compile(
    r"\bin (mm|cm|millimet\w+|centimet\w+|micromet\w+|µm|um|microns?|pixels?|px|mm2|mm²|cm2|cm²|"
    r"ml|millilit\w+|cc|cm3|cm³|mm3|mm³)(?!\w)",
    re.IGNORECASE,
)

UNSEEN = any_of("colou?rs?", "texture")  # what no tool measures
HOW_SURE = any_of(
    "how (?:sure|certain|confident|reliable|accurate)", "(?:are|is) (?:you|it|that|this) "
    "(?:sure|certain|reliable|accurate)", "confidence", "uncertainty",
)  # fmt: skip
GREETING = re.compile(r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening))\W*$", re.IGNORECASE)
THANKS = re.compile(
    r"^\W*(?:thanks?(?: you)?(?: (?:so|very) much| a lot)?|great|ok(?:ay)?)\W*$", re.IGNORECASE
)

EVERYTHING = any_of(
    "what (?:do|can) you (?:see|find|recogni[sz]e)", "everything", "label (?:it )?all",
    "(?:find |segment |show )?all (?:structures|objects|organs)", "segment all",
    "what(?:'s| is| are) (?:in|on|visible)", "wh(?:at|ich) (?:structures|objects|organs)",
    "what can (?:i|be) (?:ask|found)",
)  # fmt: skip
DESCRIBE = re.compile(
    r"\b(?:wh(?:at|ich) (?:kind|type|sort) of (?:image|scan|picture)|wh(?:at|ich) modality|"
    r"describe (?:the|this) (?:image|scan|picture)|what am i looking at|image size|"
    r"how many pixels|resolution|pixel spacing|what is this(?: image| scan| picture)?\s*\??$)",
    re.IGNORECASE,
)
_MORE = (
    "(?:larger|bigger|smaller|wider|longer|narrower|shorter|taller|thicker|thinner|brighter|darker|"
    "denser|rounder)"
)
WHERE = any_of(
    "where", "locat\\w+", "position", f"which side(?! is (?:the )?{_MORE})",
    "wh(?:ich|at) (?:quarter|quadrant|half|corner)", "point (?:to|out)", "whereabouts",
    "(?:on|in|at|to) (?:the )?(?:left|right)(?: side| half)? or (?:on |in |the )*(?:left|right)",
)  # fmt: skip
COUNT = any_of(
    "how many", "count", "number of", "more than one", "(?:only|just) one", "any others?"
)
NOT_A_COUNT = re.compile(
    r"how many (?:percent|times|mm|cm|ml|cc|slices|pixels|px|um|µm|micro[nm]|mil+im|centim|mil+il|"
    r"lit)",
    re.IGNORECASE,
)
PER_AREA = re.compile(
    r"\bper\s+(?:mm2|mm²|mm\^2|(?:sq(?:uare|\.)?\s*|unit\s+)(?:mm\b|millimet\w+|area))",
    re.IGNORECASE,
)
_RANKED = "largest|biggest|smallest|first|second|third"
_A_THING = (
    "(?:one|part|lesion|tumou?r|nodule|polyp|nucleus|cell|gland|mass|lump|vertebra|dis[ck]|bleed)"
)
_BY_SIZE = r"(?P<rank>(?:(?:second|third) )?(?:largest|biggest)|smallest)"
OF_A_RANK = re.compile(rf"\b{_BY_SIZE} (?:\w+ )?{_A_THING}\b", re.IGNORECASE)
NEXT_RANK = re.compile(rf"^\W*(?:and|what about|how about) the {_BY_SIZE}\W*$", re.IGNORECASE)
EACH_PART = any_of(
    f"each (?:of (?:them|the)|(?:\\w+ )?{_A_THING})", "one by one",
    "individual\\w*", "separately", "(?:as )?a table", "list (?:all|the|them|each|every)",
    f"every (?:single )?{_A_THING}", f"per {_A_THING}", f"(?:first|second|third) {_A_THING}",
)  # fmt: skip
CENTRES = any_of("cent(?:re|er)s?(?: of)?", "centroids?", "middles?")
HOW_DENSE = any_of("how dense(?:ly)?", "densit\\w+", "cellularity")
EXISTS = any_of(
    "(?:is|are) there", "(?:do|can) you (?:see|find)", "any", "visible", "present", "detect",
    "does (?:it|this|the \\w+) (?:show|contain|have)",
)  # fmt: skip
SHOW = any_of(
    "show", "highlight", "outline", "segment", "find", "mark", "delineate", "trace", "draw",
    "mask", "look for",
)  # fmt: skip
COMPARE = any_of(
    "compare\\w*", "(?<!aspect )ratio", _MORE, "differ(?:s|ences?)?", "by how much",
    "same (?:size|area|volume)", "equal(?:ly)? \\w+", "as (?:large|big|small) as", "versus", "vs",
    "times",
)  # fmt: skip
BETWEEN = any_of(
    "differ(?:s|ences?)?", "(?<!aspect )ratio", "same size", "by how much",
    f"which (?:one |side |of (?:them|these|those|the two) )?is (?:the )?{_MORE}",
    "compare (?:them|these|those|both|the two)",
)  # fmt: skip
SHARE_OF = any_of("(?:share|percent\\w*|proportion|fraction|how much) of")

PRONOUN = any_of(
    "it", "its", "that", "this", "them", "they", "those", "these", "the same",
    "the (?:mask|object|structure|area|result)",
)  # fmt: skip
ONE_OF_THEM = re.compile(rf"(?:(?:{_RANKED}|last|next) ?)+\bones?", re.IGNORECASE)
SIDE = re.compile(r"\b(?:the )?(?P<side>right|left|other)(?: (?:one|side))?\s*\??$", re.IGNORECASE)
BOTH_SIDES = re.compile(
    r"\b(?P<a>left|right)(?:\s+(?:or|and|vs|versus|than|with|to)\s+|\s*/\s*|-to-)"
    r"(?:the\s+)?(?P<b>left|right)\s+(?!(?:ones?|sides?)\b)(?P<what>\w+)",
    re.IGNORECASE,
)
OTHER_SIDE = re.compile(
    r"\b(?P<a>left|right)(?P<what>\s+\w+)(?P<between>\b.*\b(?:than|as|to|and|with|versus|vs|or)\s+"
    r"(?:the\s+)?)(?P<b>left|right)(?:\s+(?:one|side))?(?=\s*(?:$|[?.!,]))",
    re.IGNORECASE,
)
WALL_THICKNESS_OF = re.compile(r"\bwall thickness of\b", re.IGNORECASE)
RATIO = any_of("ratio")
RATIO_TO = re.compile(r"\s*[/:]\s*|\s+to\s+", re.IGNORECASE)
TO_OTHER_SIDE = re.compile(
    r"\b(?P<one>(?:left|right)(?:\s+\w+){1,2}?)(?:\s+to\s+|\s*[/:]\s*)"
    r"(?=(?:the\s+)?(?:left|right)\b)",
    re.IGNORECASE,
)
OF_BOTH_SIDES = any_of(
    "which", "both", "(?:the|these|those|his|her) two", "one .*other", "each other", "same",
    "equal(?:ly)?", "differ(?:s|ences?)?", "(?:left|right) .*(?:left|right)",
    "compare (?!.*\\b(?:to|with|against)\\b)",
)  # fmt: skip
"""How "which lung is larger?" and "compare the lungs" speak of a left one and a right one."""
AND = re.compile(r"^\s*(?:and|what about|how about|now|same for|also|then)\b[\s,:]*", re.IGNORECASE)
NAMED = re.compile(
    r"(?:^any|how (?:large|big|wide|long|thick|small|tall|high|bright|dark|round) (?:is|are)|"
    r"where (?:is|are)|is there|are there|(?:do|can) you (?:see|find)|how many|"
    r"(?:size|area|diameter|width) of|show(?: me)?|find|segment|measure|highlight|outline|mark|"
    r"locate|count|look for|what about|how about|and the|"
    r"does (?:it|this|the \w+) (?:show|have|contain))"
    r"\s+(?P<name>(?:(?!\b(?:in|on|of|is|are|there|visible|here|do|and|you|does|can|present)\b)"
    r"[\w\-']+\s*){1,5})",
    re.IGNORECASE,
)
_NO_NAMES = """
it this that them they image scan picture one object structure thing anything something everything
percent share other size area width diameter how what pixel pixels slices result mask difference
ratio others now each second third largest biggest smallest mm cm microns micrometers micrometres
millimeters millimetres centimeters centimetres perimeter circumference
"""
_NO_NAMES_OF_SEVERAL_WORDS = """
share of image; area of it; more than one; it now; each other; second largest; second biggest;
third largest; third biggest
"""
NO_NAMES = frozenset(
    ["", *_NO_NAMES.split(), *re.split(r"\s*;\s*", _NO_NAMES_OF_SEVERAL_WORDS.strip())]
)
PLACE_JOINERS = frozenset(["in", "on", "this", "from", "within", "at"])
_FILLERS = """
the a an is are was of in on at how large big where what and or this that there any some me my does
do you see it image scan picture than to for with both here now please
"""
FILLERS = frozenset(_FILLERS.split())
MEASURES = frozenset(["area", "size", "volume", "diameter", "width", "length", "thickness"])
"""Words that begin and end no name: of "the RV area" the object is the RV."""
