"""Reading phrases: words in one spelling, and the words that say where or in which image.

English words stand between spaces; of Chinese, which has none, every character is a word, and
what belongs together is found by matching whole names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ARTICLES = frozenset(
    {"the", "a", "an", "any", "some", "this", "that", "all"}
    | {"my", "your", "our", "his", "her", "its", "their"}
)
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")
_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s\b")
_ONE_SPELLING = {
    "tumour": "tumor",
    "tumoural": "tumoral",
    "peritumoural": "peritumoral",
    "haemorrhage": "hemorrhage",
    "haemorrhagic": "hemorrhagic",
    "oedema": "edema",
    "foetal": "fetal",
    "foetus": "fetus",
    "haematoma": "hematoma",
    "disks": "disk",
    "naevus": "nevus",
    "naevi": "nevus",
    "nevi": "nevus",
    "oesophagus": "esophagus",
    "haematoxylin": "hematoxylin",
    "oedematous": "edematous",
    "centre": "center",
    "neighbouring": "neighboring",
    "grey": "gray",
    "pulm": "pulmonary",
    "abd": "abdominal",
    # As sides are written on films.
    **{"l": "left", "lt": "left", "r": "right", "rt": "right"},
}
_IRREGULAR = {
    "nucleus": "nuclei",
    "vertebra": "vertebrae",
    "vertebrae": "vertebrae",
    "nuclei": "nuclei",
}
# Traditional characters of the names in the ontology.
_SIMPLE = str.maketrans(
    "裡裏請幫嗎幾兒膚馬膠攝護單"
    "腫臟腎膽視盤細頭顱圖層網間動脈靜實質腦膜瘤髓惡變損體徑積內側邊兩雙個張這幀隻腸鏡斷掃"
    "磁強對處組織結節顯測標輪邊黃胃點總區後擴彩聲線檢數頸囊腺",
    "里里请帮吗几儿肤马胶摄护单"
    "肿脏肾胆视盘细头颅图层网间动脉静实质脑膜瘤髓恶变损体径积内侧边两双个张这帧只肠镜断扫"
    "磁强对处组织结节显测标轮边黄胃点总区后扩彩声线检数颈囊腺",
)
_FILLERS = (
    "in", "on", "of", "from", "within", "inside", "at", "here", "patient", "radiology", "axial",
    "seen", "shown", "visible", "visualized", "located", "situated",
    "的", "中", "里", "上", "下", "内", "在", "位于", "这", "那", "该", "此", "本", "张", "幅",
    "个", "患者", "病人",
)  # fmt: skip
_OF_IMAGES = (
    "image", "scan", "picture", "photo", "photograph", "slice", "film", "frame",
    "mammographic", "sonographic", "ultrasonographic", "radiographic", "tomographic",
    "图", "图像", "图片", "影像", "照片", "片", "片子", "扫描", "切片",
)  # fmt: skip
# Before a name, or around it; they do not change what is meant.
_BEFORE = (
    "entire",
    "whole",
    "complete",
    "full",
    "visible",
    "suspected",
    "presumed",
    "known",
    "整个",
    "全部",
    "所有",
    "完整",
)
_AROUND = ("area", "region", "outline", "contour", "boundary", "border")
_ASKING = (
    "请", "帮我", "测量", "量", "量一下", "找", "找出", "找到", "分割", "显示", "标出", "圈出",
    "勾画", "有没有", "是否有", "有", "是", "吗", "呢", "有多大", "多大", "有多长", "多长",
    "有多宽", "多宽", "有多少", "多少", "有几个", "几个", "在哪", "在哪里", "在哪儿", "哪里",
    "大小", "面积", "直径", "体积", "位置", "数量", "长度", "宽度", "区域", "范围", "轮廓", "边界",
)  # fmt: skip
_LONGEST = 40
_CHINESE = re.compile(rf"[{_HAN}]")
_NOUN = {
    **{"aortic": "aorta", "atrial": "atrium", "ventricular": "ventricle", "cardiac": "heart"},
    **{"cerebral": "brain", "colonic": "colon", "duodenal": "duodenum", "fetal": "fetus"},
    **{"gastric": "stomach", "hepatic": "liver", "hippocampal": "hippocampus", "renal": "kidney"},
    **{"intestinal": "bowel", "intestine": "bowel", "gut": "bowel", "meningeal": "meninges"},
    **{"myocardial": "myocardium", "pancreatic": "pancreas", "prostatic": "prostate"},
    **{"pulmonary": "lung", "retinal": "retina", "spinal": "spine", "splenic": "spleen"},
    **{"vertebral": "vertebrae", "cutaneous": "skin", "tumorous": "tumor", "cellular": "cell"},
    **{"bleed": "hemorrhage", "bleeding": "hemorrhage", "hematoma": "hemorrhage", "disk": "disc"},
    **{"front": "anterior", "rear": "posterior", "back": "posterior", "portion": "part"},
    **{"section": "part", "segment": "part", "lower": "inferior", "muscular": "muscle"},
    **{"entire": "whole", "complete": "whole", "full": "whole", "total": "whole"},
}
JOINERS = frozenset({"in", "on", "of", "inside", "within", "into", "to", "from", "at", "by"})
_INSIDE = JOINERS - {"of"}
_CARRY_NOTHING = ("organ", "tissue", "parenchyma", "both", "two", "pair", "bilateral")
_EMPTY = JOINERS.union(_CARRY_NOTHING, ("side", "sided", "hand", "handed"))


def words_of(text: str) -> list[str]:
    """Lower-case words in one spelling: British to American, plurals to singular.

    Chinese characters are words of their own, in simplified form.

    Examples
    --------
    >>> words_of("The Tumours")
    ['the', 'tumor']
    >>> words_of("CT中的肝臟")
    ['ct', '中', '的', '肝', '脏']
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = plain.lower().replace("&", " and ")
    plain = _POSSESSIVE.sub("", plain)
    return [_singular(word) for word in _WORD.findall(plain.translate(_SIMPLE))]


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        if word.endswith("ies"):
            word = word[:-3] + "y"
        else:
            word = word[:-2] if word.endswith(("sses", "xes", "shes", "ches")) else word[:-1]
    return _ONE_SPELLING.get(word, word)


def is_chinese(word: str) -> bool:
    """Whether a word is, or begins with, a Chinese character."""
    return _CHINESE.match(word) is not None


def noun_of(word: str) -> str:
    """The noun of an adjective ("renal": "kidney"), and the usual one of words for the same."""
    return _NOUN.get(word, word)


def key_of(text: str) -> str:
    """The words of a name without articles, as one string to look it up by."""
    return " ".join(word for word in words_of(text) if word not in ARTICLES)


def content_of(words: Sequence[str]) -> frozenset[str] | None:
    """What words say in whatever order and form, to look names up by.

    "Cavity of the left ventricle" and "left ventricular cavity" say the same: adjectives become
    nouns, and words that carry nothing are dropped (joiners, "organ", "tissue", "both", "side").

    Returns
    -------
    frozenset of str or None
        None where nothing is left, where the words begin or end with a joiner, and for Chinese,
        whose characters make other words in another order.
    """
    if words[0] in JOINERS or words[-1] in JOINERS or any(map(is_chinese, words)):
        return None
    said = {noun_of(word) for word in words if word not in _EMPTY}
    places = (words[i + 1 :] for i, word in enumerate(words) if word in _INSIDE)
    if said and any(not _EMPTY.issuperset(place) for place in places):
        said.add("in")  # urine in the bladder is no urine bladder
    return frozenset(said) or None


@dataclass(frozen=True)
class Stated:
    """What words around a name say.

    Attributes
    ----------
    sites : frozenset of str
        Sites of the catalogue.
    of_image : bool
        The words speak of the image ("chest X-ray"), so that the name may be anything; otherwise
        a site is part of the meaning ("pulmonary edema" is not any edema).
    """

    sites: frozenset[str] = field(default_factory=frozenset)
    of_image: bool = False

    def __or__(self, other: Stated) -> Stated:
        return Stated(self.sites | other.sites, self.of_image or other.of_image)


class PlaceReader:
    """Understands words that state a place or an image, and nothing else.

    Parameters
    ----------
    modalities, sites : mapping of str to sequence of str
        Spellings by name.
    """

    def __init__(
        self, modalities: Mapping[str, Sequence[str]], sites: Mapping[str, Sequence[str]]
    ) -> None:
        nothing, image = Stated(), Stated(of_image=True)
        self._inside: dict[tuple[str, ...], Stated] = {}
        self._add((*_FILLERS, *_AROUND, *_ASKING), nothing)
        self._add(_OF_IMAGES, image)
        for site, spellings in sites.items():
            self._add(spellings, Stated(frozenset({site})))
        for spellings in modalities.values():
            self._add(spellings, image)
        self._before = {**self._inside, **{tuple(words_of(text)): nothing for text in _BEFORE}}

    def _add(self, spellings: Iterable[str], stated: Stated) -> None:
        for text in spellings:
            self._inside.setdefault(tuple(words_of(text)), stated)

    def before(self, words: Sequence[str]) -> Stated | None:
        """What words before a name state; None when some of them mean something else."""
        stated = _read(tuple(words), self._before)
        if stated and stated.sites and not stated.of_image and words[-1] in JOINERS:
            return None  # a part or a neighbor: the body of the pancreas, the kidney by the spleen
        return stated

    def after(self, words: Sequence[str]) -> Stated | None:
        """What words after a name state; None when some of them mean something else."""
        return _read(tuple(words), self._inside)

    def trimmed(self, words: Sequence[str]) -> list[tuple[list[str], Stated]]:
        """The words, then what is left when words of place are taken off, the most first."""
        if len(words) > _LONGEST:
            return []
        starts = [(i, self.before(words[:i])) for i in range(len(words))]
        ends = [(i, self.after(words[i:])) for i in range(1, len(words) + 1)]
        found = [
            (end - start, list(words[start:end]), before | after)
            for start, before in starts
            for end, after in ends
            if before is not None and after is not None and start < end
        ]
        found.sort(key=lambda item: -item[0])
        return [(name, stated) for _, name, stated in found]

    def names_within(self, words: Sequence[str]) -> Iterable[tuple[list[str], Stated]]:
        """What `trimmed` gives, and at last names with a site inside: "malignant breast tumor"."""
        found = self.trimmed(words)
        yield from found
        for name, stated in found:
            for start in range(1, len(name) - 1):
                for end in range(start + 1, len(name)):
                    inside = self._inside.get(tuple(name[start:end]))
                    if inside is not None and inside.sites:
                        yield name[:start] + name[end:], stated | inside


def _read(words: tuple[str, ...], known: Mapping[tuple[str, ...], Stated]) -> Stated | None:
    """Split words into known spellings, longer ones first; None when that cannot be done.

    Read from the end, so that each rest is split once: of Chinese, which has no spaces, a phrase
    can be split in thousands of ways.
    """
    longest = max(map(len, known))
    rests: list[Stated | None] = [None] * len(words) + [Stated()]
    for start in reversed(range(len(words))):
        for end in range(min(start + longest, len(words)), start, -1):
            rest = rests[end]
            first = known.get(words[start:end]) if rest is not None else None
            if first is not None and rest is not None:
                rests[start] = first | rest
                break
    return rests[0]
