"""The words of designations.

Rule of this module: plain lower-case words that a tired person can tell apart, say aloud and type. None that could wound,
sounds sexual or violent, is a person's name, speaks of a body, a people, drugs or the law, or hints at what a survivor may
have lived through; when in doubt it is struck out. First words differ among themselves by more than one letter, and so do
second words.
"""

from __future__ import annotations

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
