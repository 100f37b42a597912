"""Five tutorials' mistakes, a row each: those that their text names, and the flaws of the code that it calls optimized.

The pages are not in the repository. Their lines are counted from 1; what a row says is in our own words.
"""

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """Where a mistake is."""

    FOUND = "found at that line of the page"
    OBSOLETE = "obsolete on Ray 2.60"
    IN_WORDS = "stands only in a comment, or in the text: found in a fixture where it is code"


@dataclass(frozen=True)
class Row:
    """One mistake. rule: it finds it, or (obsolete) its page of the docs says what has become of it.

    named: the other lines of the page that name it. fixture: of IN_WORDS, a key of FIXTURES. why, says, source: of
    OBSOLETE, the reason, words of the rule's page, and a file of Ray's package with words of it.
    """

    seed: str
    line: int
    rule: str
    status: Status
    mistake: str
    named: tuple[int, ...] = ()
    fixture: str = ""
    why: str = ""
    says: str = ""
    source: tuple[str, str] = ("", "")


def _found(place: str, rule: str, mistake: str, *named: int) -> Row:
    seed, _, line = place.partition(":")
    return Row(seed, int(line), rule, Status.FOUND, mistake, named)


def _in_words(place: str, rule: str, mistake: str, fixture: str, *named: int) -> Row:
    seed, _, line = place.partition(":")
    return Row(seed, int(line), rule, Status.IN_WORDS, mistake, named, fixture)


def _obsolete(place: str, rule: str, mistake: str, why: str, says: str, source: tuple[str, str], *named: int) -> Row:
    seed, _, line = place.partition(":")
    return Row(seed, int(line), rule, Status.OBSOLETE, mistake, named, why=why, says=says, source=source)


_FIRST_PAGE = (
    # the slow way
    _found("000:70", "HR060", "ray.init() for the second time"),
    _found("000:113", "HR056", "print for every batch"),
    _found("000:118", "HR001", "the model is built for every batch", 102, 104, 109, 117, 155),
    _found("000:122", "HR056", "print for every batch"),
    _found("000:125", "HR020", "an empty list, given back where the model could not be built"),
    _found("000:130", "HR005", "images one by one", 127, 155),
    _found("000:136", "HR020", "a list of dicts is given back"),
    _found("000:146", "HR043", "four images a batch", 143, 155),
    _found("000:147", "HR010", "concurrency="),
    _found("000:148", "HR033", "the time is that of 20 rows"),
    # the optimized way
    _found("000:192", "HR023", "any failure to load ends on the CPU, and the GPU stays taken"),
    _found("000:202", "HR005", "images one by one, under a heading that says otherwise"),
    _found("000:213", "HR054", "actors by hand, beside map_batches which has a pool of its own", 163, 167, 170, 361),
    _found("000:222", "HR055", "the hash of the batch's length picks the same actor always", 217),
    _found("000:225", "HR051", "each task waits for an actor"),
    _found("000:226", "HR020", "a list of dicts is given back"),
    _found("000:237", "HR010", "concurrency="),
    _found("000:238", "HR033", "the time is that of 20 rows"),
    _found("000:319", "HR010", "concurrency="),
    _found("000:320", "HR033", "the sweep's times are those of 40 rows of 80", 323),
    # a function that nothing maps
    _in_words("000:268", "HR050", "images in a DataFrame", "frame_function_mapped", 254, 262),
    _in_words("000:272", "HR026", "a number that counts within the batch, as an id", "frame_function_mapped"),
    _in_words("000:274", "HR020", "records are given back", "frame_function_mapped"),
)

_BLOCKS = (
    "Ray cuts blocks to size as it reads, by what it finds in memory and on the cluster",
    "`override_num_blocks`; Ray's own documentation now discourages it",
    ("data/read_api.py", "You shouldn't manually set this"),
)
_TOO_MANY = (
    "the pool starts the workers that there is room for; the others wait and compete for nothing",
    "More workers than the cluster holds are no mistake on Ray 2.60",
    (
        "data/_internal/execution/operators/actor_pool_map_operator.py",
        "Otherwise, all actors will be provisioned asynchronously",
    ),
)

_SECOND_PAGE_NAMED = (
    # the quick start
    _found("001:58", "HR021", "the slow way: a number a row, which is no row", 55),
    _found("001:59", "HR032", "the time of building the slow way"),
    _found("001:63", "HR059", "the fast way: a loop over the column", 61),
    _found("001:64", "HR032", "the time of building the fast way"),
    # the wrong way, first
    _found("001:219", "HR001", "the model is built for every batch", 93, 215, 218, 1081),
    _found("001:219", "HR041", "pretrained=", 103),
    _in_words("001:223", "HR024", "the GPU that is there is not used", "gpu_not_asked_for", 94, 222, 458, 465, 1082),
    _found("001:228", "HR042", "a path that the read was not asked for"),
    _found("001:228", "HR059", "one by one: a loop that says the same of every row", 227, 1083),
    _found("001:232", "HR020", "a list of dicts is given back", 100),
    _found("001:238", "HR043", "one image a batch", 96, 237, 1085),
    _found("001:239", "HR010", "concurrency=", 94, 103, 237),
    _in_words("001:239", "HR047", "one worker, however many GPUs there are", "fewer_workers_than_gpus", 237),
    _in_words("001:241", "HR024", "no GPU is asked for", "gpu_not_asked_for", 234, 240),
    _found("001:245", "HR031", "all rows into the driver", 98),
    # the wrong way, its twenty mistakes
    _obsolete("001:282", "HR018", "the number of blocks is not chosen", *_BLOCKS, 95, 287, 578, 608, 935, 1066),
    _found("001:291", "HR018", "num_blocks() of what has not run", 103, 466),
    _found("001:292", "HR028", "size_bytes() runs the whole read", 98),
    _found("001:319", "HR056", "print for every batch"),
    _found("001:320", "HR001", "the model is built for every batch", 93, 309, 317, 457, 1081),
    _found("001:320", "HR041", "pretrained=", 103),
    _in_words("001:324", "HR023", "the CPU is forced", "gpu_and_cpu_forced", 94, 323, 458, 1082),
    _found("001:328", "HR002", "the transform is built for every batch", 327, 462),
    _found("001:344", "HR006", "array, PIL image, tensor: each image for itself", 102, 342, 343, 462),
    _found("001:349", "HR005", "a forward pass an image", 339, 347, 461, 1083),
    _found("001:354", "HR026", "a number that counts within the batch, as an id"),
    _found("001:357", "HR058", "the time of day in every row, called the time that it took"),
    _found("001:362", "HR056", "print for every tenth image", 360),
    _found("001:364", "HR036", "any failure becomes a row with class -1", 365),
    _found("001:368", "HR026", "a number that counts within the batch, as an id"),
    _found("001:377", "HR020", "a list of dicts is given back", 100, 374, 412, 463, 467),
    _found("001:397", "HR043", "two images a batch", 96, 392, 396, 459, 1085),
    _obsolete("001:399", "HR047", "more workers than there is room for", *_TOO_MANY, 94, 460, 465, 1084),
    _found("001:400", "HR012", "concurrency= beside compute=", 94, 392),
    _in_words("001:403", "HR023", "the GPU is not asked for, and would not be used", "gpu_and_cpu_forced", 402),
    _found("001:406", "HR004", "a class in tasks", 99, 405),
    _found("001:406", "HR011", "compute= as text", 99, 103, 405, 466),
    _obsolete(
        "001:408",
        "HR049",
        "max_concurrency is not set",
        "it is an actor's threads, and its calls run one at a time anyway; it limits no resources, and is deprecated",
        "neither: it is the number of threads of an actor",
        ("data/dataset.py", "`ray_remote_args` is deprecated and will be removed in Ray 2.64."),
    ),
    _in_words("001:417", "HR031", "all rows into the driver", "all_rows_as_json", 98, 416),
    _in_words("001:423", "HR037", "JSON as the output", "all_rows_as_json", 97, 419, 464, 1086),
    _found("001:426", "HR032", "the time of building the pipeline, which does not run"),
    _in_words("001:589", "HR037", "CSV and pickle as the output", "other_slow_formats", 97, 1070, 1086),
    _in_words("001:101", "HR039", "more bytes than needed go from worker to worker", "floats_between_stages"),
)

_SECOND_PAGE_MADE = (
    # its settings for memory
    _found("001:147", "HR010", "concurrency="),
    _found("001:148", "HR014", "options of the context, given to map_batches"),
    _found("001:148", "HR015", "an option of iter_batches, given to map_batches"),
    # what it explains
    _found("001:493", "HR018", "num_blocks() of what has not run"),
    _found("001:494", "HR028", "size_bytes() runs the whole read"),
    _found("001:498", "HR018", "num_blocks() of what has not run"),
    _found("001:499", "HR019", "get_internal_block_refs()"),
    _found("001:501", "HR018", "num_blocks() of what has not run"),
    # the optimized way
    _found("001:613", "HR029", "the photos' names are never read: no answer can be matched with its photo"),
    _found("001:622", "HR018", "num_blocks() of what has not run"),
    _found("001:623", "HR018", "num_blocks() of what has not run"),
    _found("001:624", "HR028", "size_bytes() runs the whole read, before the pipeline does so again"),
    _found("001:625", "HR018", "num_blocks() of what has not run"),
    _found("001:646", "HR041", "pretrained="),
    _found("001:676", "HR006", "array, PIL image, tensor: each image for itself, called vectorized", 672),
    _found("001:676", "HR007", "images are prepared by the worker that holds the GPU", 102, 672),
    _found("001:717", "HR012", "concurrency= beside compute="),
    _found("001:726", "HR049", "max_concurrency=, against oversubscription", 725),
    _found("001:735", "HR030", "the pipeline runs again for a look at its rows"),
    _found("001:743", "HR034", "images/s of 100 rows in the time of all"),
    _found("001:749", "HR034", "images/s of 100 rows in the time of all"),
    # its guide
    _found("001:820", "HR018", "num_blocks() of what has not run"),
    _found("001:821", "HR018", "num_blocks() of what has not run"),
    _obsolete("001:826", "HR018", "twice as many blocks as CPUs, and not even a whole number", *_BLOCKS),
    _found("001:867", "HR011", "compute= as text", 853),
    _found("001:873", "HR011", "compute= as text", 582, 858, 1055),
    _found("001:898", "HR046", "each size's throughput holds the loading of the model", 903),
    _found("001:905", "HR035", "any error is told as out of memory"),
    _found("001:929", "HR010", "concurrency="),
    _obsolete(
        "001:952",
        "HR028",
        "blocks of a size that was worked out, by repartition",
        "Ray cuts blocks to DataContext.target_max_block_size, and repartition waits until all rows are there",
        "`DataContext.target_max_block_size` by itself, and a plain `repartition(n)` waits until all rows are there",
        ("data/context.py", "target_max_block_size: The max target block size in bytes"),
    ),
    _found("001:988", "HR031", "all rows into the driver, to take the time"),
    _found("001:1009", "HR049", "max_concurrency=, to limit memory", 1008),
)

_CPUS = (
    "Ray Data starts as many tasks as the CPUs and the memory of the object store allow, and slows what runs ahead",
    "tune what Ray Data schedules well by itself",
    ("data/_internal/execution/resource_manager.py", "class ReservationOpResourceAllocator"),
)

_THIRD_PAGE = (
    _found("002:109", "HR005", "images one by one", 488),
    _found("002:110", "HR005", "images one by one", 488),
    _found("002:126", "HR020", "a list of dicts is given back"),
    _found("002:135", "HR010", "concurrency="),
    _found("002:136", "HR025", "the script's own machine decides whether there are GPUs", 128, 137),
    _found("002:163", "HR046", "each size's time holds the loading of the model"),
    _found("002:165", "HR025", "the script's own machine decides whether there are GPUs", 166),
    _found("002:167", "HR010", "concurrency="),
    _found("002:168", "HR045", "a batch of 128 of 100 rows"),
    _found("002:183", "HR057", "an error of the worker, caught by a type that it does not arrive as"),
    _found("002:224", "HR046", "each size's time holds the loading of the model"),
    _found("002:227", "HR010", "concurrency="),
    _found("002:227", "HR045", "seven batches for eight workers"),
    _found("002:334", "HR010", "concurrency="),
    _found("002:344", "HR010", "concurrency="),
    _found("002:354", "HR010", "concurrency="),
    _in_words("002:344", "HR047", "two workers for up to four GPUs", "fewer_workers_than_gpus", 339, 491),
    _in_words("002:354", "HR047", "four workers for eight GPUs or more", "fewer_workers_than_gpus", 349, 491),
    _found("002:365", "HR029", "the photos' names are never read: no answer can be matched with its photo"),
    _obsolete(
        "002:365", "HR048", "num_cpus= of a fortieth, to read more at a time", *_CPUS, 36, 46, 52, 70, 71, 74, 424
    ),
    _found("002:368", "HR050", "images in a DataFrame"),
    _found("002:375", "HR010", "concurrency="),
    _found("002:383", "HR017", "num_cpus= of a write"),
    _found("002:427", "HR050", "images in a DataFrame"),
    _found("002:430", "HR010", "concurrency="),
    _found("002:443", "HR045", "batches of 16 and more of 10 rows"),
    _found("002:448", "HR057", "an error of the worker, caught by a type that it does not arrive as"),
    _obsolete(
        "002:461",
        "HR048",
        "more num_cpus=, so that fewer workers are killed",
        "memory= says what a worker needs, and Ray starts no more than fit",
        "memory= says what one needs",
        ("data/dataset.py", "memory: The heap memory in bytes to reserve for each parallel map worker."),
        55,
        458,
    ),
    _in_words("002:482", "HR001", "the model is built for every batch", "first_model_script"),
    _in_words("002:485", "HR043", "a few images a batch", "first_model_script"),
)

_FIFTH_PAGE = (
    _found("004:47", "HR053", "one actor does all the work, a call at a time"),
    _found("004:84", "HR053", "one actor does all the work, a call at a time"),
)

ROWS = (*_FIRST_PAGE, *_SECOND_PAGE_NAMED, *_SECOND_PAGE_MADE, *_THIRD_PAGE, *_FIFTH_PAGE)  # the fourth has no code

OPT_IN = (  # what the rules find that must be selected
    *(_found(f"001:{n}", "HR048", "a CPU is taken beside the GPU, without saying so") for n in (720, 901, 930)),
    *(_found(f"002:{n}", "HR048", "a CPU is taken beside the GPU, without saying so") for n in (226, 333, 343, 353)),
    *(_found(f"002:{n}", "HR048", "a CPU is taken beside the GPU, without saying so") for n in (430, 442)),
)

# What numbers or lists mistakes on a page: a pattern, and how many lines it meets.
NAMED_BY = (("001", r"MISTAKE", 27), ("001", r"^\d+\. \*\*", 22), ("002", r"\*\*Don't\*\*", 4))
NEVER = ("001", "Never Do This", 6)  # the list under that heading
