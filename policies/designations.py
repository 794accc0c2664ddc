"""Chooses the designation of a conversation: two plain words that say nothing about anybody.

Rules of this module: a designation depends on chance and on the designations in use, never on a phone, a name or a time.
Two open conversations never share one. While there are unused first words, no two open conversations have like first words,
because advocates speak and type the first word only.

The words are plain, in lower case; a tired person can tell them apart, say them aloud and type them. No word could wound,
sounds sexual or violent, is a person's name, refers to the body, a people, drugs or the law, or hints at what a survivor
may have lived through; a doubtful word is left out. First words differ among themselves by more than one letter, and so do
second words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

FIRST = tuple(
    """
    adjacent airy alluvial alpine angular aqua aquatic arched arctic aromatic azure bamboo banded basalt beaded beige
    bicolor boreal botanic braided breezy bright brisk bronze brushed buoyant burnished celestial central ceramic
    cerulean chalky circular citrus classic clear cloudy coastal cobalt combed compact conical continental cork
    corrugated cosmic crinkled crisp cubic cyan dappled decimal dewy diagonal domed dotted double downy drizzly
    earthen eastern ecru enamel equal etched faceted feathered flecked floating floral fluted foldable folded fragrant
    fresh fringed frosted furrowed gabled galactic gilded glacial glazed gleaming glimmering glinting glossy glowing
    golden grainy granite granular grooved harvest hatched hexagonal highland inked inland khaki knitted lacquered
    lateral latticed layered leafy lemony level lime linear linen lofty looped lowland luminous lunar lustrous magenta
    magnetic marbled maritime matte mauve mellow melodic metallic midday mineral mint misty modular mossy mottled
    musical mustard nautical nickel nimble nocturnal northern novel oaken oblong oceanic ochre octagonal opaque orange
    orbital orchard outer oval paneled papery parallel pastel patterned pearly pebbled peppery perennial periwinkle
    pewter plaster pleated polished porcelain portable prairie quadruple quartz quilted radial rectangular resonant
    rhythmic ribbed ridged rippled riverside rotating ruffled rural russet rust rustic salmon sandstone savory
    scalloped scenic seaside seasonal sepia shaded shining silver sloping snowy solar southern sparkling speckled
    spherical spruce square starlit stellar stippled streaked striped sturdy sunlit symmetric tapered tasseled taupe
    tawny teal terracotta tidal tidy tiled timbered tinted tonal tranquil triangular triple tropical tubular tufted
    turquoise umber upland varnished vaulted verdant vermilion vernal vertical viridian vivid volcanic walnut wavy
    western wicker winding windy wintry wooden woodland woolly woven zigzag
    """.split()  # noqa: SIM905 - words are easier to read, and to strike out, as words
)

SECOND = tuple(
    """
    abacus accordion acorn agate alabaster alder almond anchor apricot atoll avocet balsam banyan baobab barley
    barometer basket bassoon beacon bittern bluebell bluebird bobbin bobolink bookend boulder bracken bramble
    buckthorn bumblebee bunting buttercup button cactus calcite calipers canoe canvas canyon caravan caribou catkin
    cello chaffinch chestnut chickadee chicory clarinet cobblestone compass condor conifer cormorant corncrake
    cornflower cove cowslip cranberry crane crayon creek crocus curlew currant cymbal cypress daffodil dandelion
    dipper dogwood dolomite dolphin dragonfly dulcimer dune dunlin dunnock easel eider elderberry elm envelope estuary
    eucalyptus falcon feldspar fen fennel fieldfare finch fir firecrest firefly fjord flagstone flamingo flax flute
    fountain freesia gardenia gazelle gentian geode geranium glacier glade gneiss godwit goldcrest goldfinch gondola
    gong gorse gravel grebe greenfinch grosbeak grove guillemot hammock handcart harbor harp hawthorn hazelnut
    headland hedgehog heron hibiscus hillock hollyhock hoopoe hornbill hydrangea ibex ibis inkwell islet isthmus
    kaleidoscope kayak kelp kestrel kettle kingfisher kite kittiwake ladle lagoon lake lantern lapwing larch lathe
    lemur lens lichen lighthouse limestone llama lupine macaw mahogany malachite mallard mallow mandolin mangrove
    marjoram marmot marsh meadowlark mesa metronome mica mimosa mitten moonstone moorhen moss mulberry narwhal newt
    nightingale oak oasis oboe obsidian okapi olivine onyx oregano oriole osprey otter ouzel owl paintbrush panda
    papyrus parakeet parsley partridge pebble pelican pendulum peninsula peony peridot petrel pheasant piccolo
    pinecone pintail pinwheel pipit plantain plateau platypus pond porcupine porthole protractor puffin pulley pumice
    pyrite quartzite quill quince raft redpoll redstart redwood reef reindeer rhubarb ridge sail salamander sanderling
    sandglass sandpiper satchel saucer seahorse sequoia shale shuttle sieve siskin skein skylark sled snowdrop
    soapstone sorrel sparrow spindle spool spoonbill squirrel starling stencil steppe stonechat stream summit sundial
    sunflower sunstone swan sycamore tamarack tamarind tambourine tanager tapir tarragon teacup telescope tern terrace
    thicket thimble thistle thyme toboggan topaz tortoise toucan travertine trellis tributary trowel tuba tulip tundra
    turnip turnstone ukulele valley verbena violin wagon warbler watercress waterfall waxwing weathervane wetland
    wheat wheatear wheelbarrow whimbrel wigeon windmill wisteria wombat woodlark workbench xylophone yarrow yew zebra
    zircon zither
    """.split()  # noqa: SIM905 - words are easier to read, and to strike out, as words
)


class Chooser(Protocol):
    """Chance, given from outside: `random.SystemRandom()` in production, a seeded `random.Random` in tests."""

    def choice(self, seq: Sequence[str], /) -> str:
        """Return one of them."""


def are_alike(one: str, other: str) -> bool:
    """Tell whether two words differ in at most one letter changed, added or left out, so that they are easily mistaken."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at:] == long[at + 1 :] or short[at + 1 :] == long[at + 1 :]


def choose_designation(
    rng: Chooser, taken_first_words: Collection[str] | Mapping[str, int], *, taken: Collection[str] = ()
) -> str:
    """Return two words such as `tawny heron`, for a new conversation.

    `taken_first_words`: one for each open conversation (repetitions count), or how many each has. `taken`: whole
    designations that must not be chosen; a set is not copied, so that a choice costs the same however many there are. While
    there are first words unlike all that are taken, it is one of those; after that (more than two hundred open
    conversations) one of those used least. Raises ValueError when all of some 80,000 pairs are taken.
    """
    used, used_designations = Counter(taken_first_words), taken if isinstance(taken, AbstractSet) else frozenset(taken)
    strange = used.keys() - set(FIRST)  # our own words are unlike each other, which a test holds
    free = [word for word in FIRST if word not in used and not any(are_alike(word, other) for other in strange)]
    while True:
        if not free:
            fewest = min((used[word] for word in FIRST if used[word] >= 0), default=None)
            if fewest is None:
                raise ValueError("every designation is taken")
            free = [word for word in FIRST if used[word] == fewest]
        first = rng.choice(free)
        seconds = [word for word in SECOND if f"{first} {word}" not in used_designations and not are_alike(first, word)]
        if seconds:
            return f"{first} {rng.choice(seconds)}"
        free.remove(first)
        used[first] = -1
