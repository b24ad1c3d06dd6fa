"""Words beside a name that leave it the object that it is.

Beside "tumor", "largest" and "size" do, "thyroid" and "capsule" do not. All others make a name
another one: a word that is missing here costs a refusal, one that is missing in a list of all that
a body holds would cost a wrong answer.
"""

from __future__ import annotations

from agent.planner import words
from agent.planner.spans import DETERMINERS, JOINS

_TIMES = "last previous prior earlier first baseline time times normal usual average"
OTHER_TIMES = frozenset(_TIMES.split())
"""What a size is compared with that is no object."""
_GRAMMAR = """
i you he we they them him us our your these those who whom which whose why when whether if as but so
then than that not no nor none only just also too still even again already yet once about above
across after against apart all almost along alone alongside among any around because before behind
below beneath beside besides between beyond by down during else ever every everywhere anywhere
except excluding from inside instead into like less more most much many few near next off out
outside over per plus minus rather relative since some somewhere through throughout till together
toward towards under until up upon versus via while with within without such own same very well
quite really anyway altogether perhaps maybe ok okay yes hello hi hey thanks thank sorry dear kind
of s t re ve ll d m don doesn didn isn aren wasn won can could may might must shall should will
would am be been being are had has have having did done doing does let lets was were pls plz u r thx
"""
_VERBS = """
abut add analyse analyze annotate appear appears appearing assess belong calculate call called check
classify compute contain contains containing cover covers covering describe detect determine display
end estimate evaluate exceed exist exists explain extend extends fill fills fit get give gives go
goes going grow grows growing hold holds identify include includes including keep know label lie
lies lying list look looks looking make makes mean means measure measures measuring move need needs
occupy occupies overlap overlaps press presses put quantify reach reaches recognise recognize report
run runs say says see sees seem seems seen segment segments separate show shown shows showing shrink
shrinks shrunk sit sits spot start stop take takes taken tell tells touch touches touching try use
visualise visualize want wants found drawn made known grown grew shrank span spans obtain provide
return extract isolate trace circle paint overlay become becomes became getting gets got gotten
change changes changed changing perform differ differs vary varies
"""
_MEASURING = """
amount aspect axes axis border borders boundary boundaries bounding box brightness caliper calipers
center centre color colour contour contours coordinate coordinates coverage data dimension
dimensions distance edge edges elongation evidence extent feature figure form fraction gap grade
height hu hounsfield idea information intensity level location locations long margin margins maximum
measurement measurements metrics minimum mm cm ml cc um µm nm µl px mm2 cm2 mm3 cm3 mm² cm² mm³ cm³
micron microns millimeter millimeters millimetre millimetres centimeter centimeters centimetre
centimetres milliliter millilitre orientation outline outlines overview percentage perimeter place
places position positions presence proportion range reading rest result results roundness
segmentation segmentations shape short side sides sign signs sort space spacing statistics sum
surface symmetry total type unit units value values view voxel voxels width x y z number numbers
size sizes areas volumes diameters lengths widths asymmetry depth depths detection dims heights
probability table square volumetry point points
"""
_IMAGES = """
axial case coronal film frame frames images modality photo photograph photos pictures radiology
sagittal scans screen slide slides sequence study upload uploaded volume window woman man patient
patients person child children fetus contrast question detail general comparison relation reality
fact middle background foreground row column half field diastole diastolic systole systolic
"""
_LOOKS = """
abnormal anechoic apparent asymmetric asymmetrical big black blue blurry bright brown clear colored
coloured complete conspicuous cystic dark deep dense different distinct dominant echogenic empty
entire faint flat focal full fuzzy giant good gray great green grey hard healthy heterogeneous high
homogeneous huge hyperdense hyperechoic hyperintense hypodense hypoechoic hypointense identical
intact irregular isodense large light little low massive medium narrow nasty new normal obvious odd
old opaque oval pale pathological pedunculated pink poor primary prominent purple red regular round
sessile severe shallow sharp similar sized small smooth soft solid spherical strange strong subtle
suspicious symmetric symmetrical tall thick thin tiny translucent typical ugly unclear unusual vague
visible weak weird white wide worrying yellow circular elliptical larger bigger smaller wider longer
thicker thinner taller brighter darker higher lower closer better denser enhancing equal present
absent uniform bulky sure certain confident reliable
"""
_RANKS = """
main major minor second third fourth fifth final other another single double two three four five six
seven eight nine ten multiple numerous several individual index target actual exact approximate
approximately current overall combined median max min maximal minimal today yesterday later possible
likely probable suspected particular specific said best worst whole both one ones twice eleven
twelve twenty dozen
"""
_PLAIN = (
    words.FILLERS | words.MEASURES | words.NO_NAMES | DETERMINERS | JOINS | OTHER_TIMES
).union(
    *(
        told.split()
        for told in (_GRAMMAR, _VERBS, _MEASURING, _IMAGES, _LOOKS, _RANKS)
    )
)  # fmt: skip


def makes_another(word: str) -> bool:
    """Whether a word beside a name makes it the name of another object.

    Parameters
    ----------
    word : str
        In lower case.

    Examples
    --------
    >>> [makes_another(word) for word in ("thyroid", "cyst", "largest", "roughly", "diameter")]
    [True, True, False, False, False]
    """
    if len(word) < 2 or word in _PLAIN or any(letter.isdigit() for letter in word):
        return False
    if word.endswith("ly") or _has_ending(word, "est", 6) or _has_ending(word, "ed", 5):
        return False
    spoken = (pattern for pattern, _ in words.QUANTITIES)
    asked = (*spoken, words.SHOW, words.COMPARE, words.COUNT, words.WHERE, words.CENTRES)
    return not any(pattern.search(word) for pattern in asked)


def _has_ending(word: str, ending: str, at_least: int) -> bool:
    """Whether a word has an ending and is long enough for it to be one: not so "chest", "bed"."""
    return word.endswith(ending) and len(word) >= at_least
