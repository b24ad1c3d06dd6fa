"""Phrases that mean no object, however near they come: not to the ontology, nor in a question."""

# Near to a name, or holding one, and none.
NEVER_MAPPED = [
    *("spaceship", "", "???", "heart", "livre", "the", "🫀", "x" * 500, "liver " * 200),
    *("water on the brain", "womb", "gut growth", "air sacs", "adrenal gland", "bowel"),
    *("left atrium of the spine", "right atrium", "superior vena cava", "red blood cell"),
    *("body of the pancreas", "left lobe of the liver", "hepatic vein", "gastric polyp"),
    *("left ventricular mass", "right ventricular wall", "left atrial appendage", "cell wall"),
    *("left side of the heart", "brain tissue", "vertebral artery", "optic nerve fiber layer"),
    *("cup to disc ratio", "left", "both sides", "organ", "blood", "spinal nerve", "skull"),
    *("liver and spleen", "tumour in the left kidney", "disc herniation", "nasal polyp"),
    *("飞船", "的", "CT", "心脏", "右心房", "肾上腺", "动脉瘤", "胸腺", "颈内动脉", "上腔静脉"),
    *("椎间盘突出", "左肺上叶", "左肾肿瘤", "肝脏和脾脏", "甲状腺", "肾囊肿"),
    "肝臓",  # Japanese writes it with another character, and is not read here
]
# A site that makes it something else.
OF_ANOTHER_SITE = [
    *("pulmonary edema", "macular edema", "cardiac tumor", "tumor in the heart", "skin cancer"),
    *("cervical cancer", "retinal hemorrhage", "brain vessel", "polyp in the lung"),
    *("肺水肿", "心脏肿瘤", "脑血管", "皮肤癌"),
    *("right brain ventricle", "malignant kidney tumor", "malignant skin lesion", "右脑室"),
]
# With the modality.
ONLY_SOUNDS_LIKE = [
    ("the spleen next to the kidney of the organ", "CT"),
    ("the bone between the cushions of the spine", "MRI"),
    ("the chamber that receives blood from the body", "MRI"),  # the right atrium
    ("the tube that carries urine", "CT"),
    ("the gland that makes thyroid hormone", "CT"),
    ("the internal artery of the neck that feeds the brain", "ultrasound"),
    ("the innermost layer of the retina", "OCT"),
    ("the inner nuclear layer of the retina", "OCT"),
    ("mucus in the gland", "pathology"),
    ("the lumen of the tubular gland", "pathology"),
    ("brain around the tumor", "MRI-FLAIR"),
    ("gut growth", None),
    ("膀胱里的尿液", "CT"),
    ("肝脏里的胆汁", "CT"),
    ("肾上方的腺体", "CT"),
    ("the organ", "CT"),
    ("a structure in the body", None),
]
# With the modality.
BESIDE_ANOTHER = [
    ("bright area around the optic disc", "fundus"),
    ("bright area encircling the optic disc", "fundus"),
    ("tissue behind the light-sensitive layer of the eye", "OCT"),
    ("space between the vertebrae", "MRI"),
    ("chamber above the chamber that pumps blood to the lungs", "MRI"),
    ("organ behind the organ that holds urine", "CT"),
    ("organ inside the organ that digests food", "CT"),
    ("gland behind the gland that makes insulin", "CT"),
    ("growth under the bowel lining", "endoscope"),
    ("layer below the layer of rods and cones cells", "OCT"),
    ("bone behind the spine", "MRI"),
    ("skin around the mole", "dermoscopy"),
    ("blood around the brain", "CT"),
]
# What is of or beside an object, and then objects by what they are.
BEGINNINGS = [
    *("the wall of", "the stone in", "the artery of", "the fat around", "the lining of"),
    *("the fluid beside", "half of", "the edge of", "a cyst in", "the duct from"),
    *("the muscle behind", "the roof of", "the nerve to", "cancer of", "the shadow of"),
]
DESCRIBED = [
    ("the organ that holds urine", "CT"),
    ("the bag that stores bile", "CT"),
    ("the gland that makes insulin", "CT"),
    ("the sac where food is digested", "CT"),
    ("the chamber that pumps blood to the lungs", "MRI"),
    ("the tunnel of the spinal cord", "MRI"),
    ("the cushion between the vertebrae", "MRI"),
    ("the spot where the optic nerve leaves the eye", "fundus"),
    ("the head of the unborn baby", "ultrasound"),
]
