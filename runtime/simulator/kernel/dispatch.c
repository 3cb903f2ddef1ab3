/* Instruction sets, and a layer's work spread over threads. */
#include <pthread.h>
#include <stdlib.h>
#if defined(HAS_NEON) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "layer.h"

enum { LEAST_PLACES = 64, BYTES_IN_CACHE = 1 << 19 };

/* Products below which starting a thread takes longer than it saves. */
static const double WORTH_A_THREAD = 1 << 26;

/* The numbers of the bits of a byte that are set, from the lowest on. */
uint8_t lanes_of_mask[256][8];

__attribute__((constructor)) static void number_lanes(void) {
    for (int mask = 0; mask < 256; mask++)
        for (int bit = 0, found = 0; bit < 8; bit++)
            if (mask >> bit & 1) lanes_of_mask[mask][found++] = (uint8_t)bit;
}

#define EXPORTED __attribute__((visibility("default")))

#define SET(name)                          \
    void run_part_##name(struct layer *, const struct part *); \
    int vector_width_##name(void);

SET(plain)

static int is_always_there(void) { return 1; }

#if defined(HAS_AVX)
SET(avx2)
SET(avx512)
SET(avx512_vnni)

static int has_avx2(void) { return __builtin_cpu_init(), __builtin_cpu_supports("avx2"); }

static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static int has_avx512_vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#elif defined(HAS_NEON)
SET(neon)
SET(neon_dotprod)

/* Apple's processors of 64 bits all have them. */
static int has_products_of_bytes(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
    return 1;
#else
    return 0;
#endif
}
#endif

/* Instruction sets, the best one last; a machine that has one has those in front of it. */
static const struct set {
    const char *name;
    int (*is_there)(void);
    int (*vector_width)(void);
    work *run;
} sets[] = {
    {"plain", is_always_there, vector_width_plain, run_part_plain},
#if defined(HAS_AVX)
    {"avx2", has_avx2, vector_width_avx2, run_part_avx2},
    {"avx512", has_avx512, vector_width_avx512, run_part_avx512},
    {"avx512-vnni", has_avx512_vnni, vector_width_avx512_vnni, run_part_avx512_vnni},
#elif defined(HAS_NEON)
    {"neon", is_always_there, vector_width_neon, run_part_neon},
    {"neon-dotprod", has_products_of_bytes, vector_width_neon_dotprod, run_part_neon_dotprod},
#endif
};

/* The name of an instruction set that this machine has; none behind the last one. */
EXPORTED const char *spikec_instruction_set(int number) {
    int is_known = number >= 0 && number < (int)(sizeof sets / sizeof *sets);
    return is_known && sets[number].is_there() ? sets[number].name : NULL;
}

/* What tells a library of other sources, which is not to be used: what fields mean, and bytes of a layer and a connection. */
EXPORTED int spikec_layout(void) {
    return (int)(MEANING << 28 | sizeof(struct layer) << 16 | sizeof(struct connection));
}

/* Bytes of a vector times 256, plus the channels of a block of a dense product. */
EXPORTED int spikec_vector_width(int number) { return sets[number].vector_width(); }

/* How a layer is cut: so many samples together, so many bands of rows for each. */
struct cut {
    int samples, bands, parts;
};

static long largest_source(const struct layer *l) {
    long most = 0;
    for (int i = 0; i < l->connections; i++) {
        const struct connection *c = &l->incoming[i];
        long bytes = (long)c->steps * c->height * c->width * c->channels;
        if (c->method != CURRENTS && bytes > most) most = bytes;
    }
    return most;
}

/* Products of a layer, if every channel had a message at every step. */
static double products_of(const struct layer *l) {
    double products = 0;
    for (int i = 0; i < l->connections; i++) {
        const struct connection *c = &l->incoming[i];
        products += (double)c->steps * c->kernel[0] * c->kernel[1] * c->channels / c->groups;
    }
    return products * l->samples * l->height * l->width * l->channels;
}

static struct cut cut_of(const struct layer *l) {
    int places = l->height * l->width, fair = (l->samples + l->threads - 1) / l->threads;
    struct cut cut = {.samples = (LEAST_PLACES + places - 1) / places, .bands = 1};
    if (cut.samples > fair) cut.samples = fair;
    if (cut.samples == 1) {
        long by_cache = (largest_source(l) + BYTES_IN_CACHE - 1) / BYTES_IN_CACHE;
        long by_threads = l->threads > 1 && l->samples < 2 * l->threads ? 2L * l->threads / l->samples : 1;
        long bands = by_cache > by_threads ? by_cache : by_threads;
        cut.bands = (int)(bands < 1 ? 1 : bands > l->height ? l->height : bands);
    }
    cut.parts = (l->samples + cut.samples - 1) / cut.samples * cut.bands;
    return cut;
}

struct shared {
    struct layer *layer;
    struct cut cut;
    work *run;
    int next;
};

static struct part part_of(const struct layer *l, struct cut cut, int number) {
    int group = number / cut.bands, band = number % cut.bands, last = (group + 1) * cut.samples;
    return (struct part){
        group * cut.samples, last > l->samples ? l->samples : last,
        (int)((long)l->height * band / cut.bands), (int)((long)l->height * (band + 1) / cut.bands)
    };
}

static void *take_parts(void *given) {
    struct shared *shared = given;
    for (;;) {
        int number = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
        if (number >= shared->cut.parts) return NULL;
        struct part part = part_of(shared->layer, shared->cut, number);
        shared->run(shared->layer, &part);
    }
}

static int steps_received(const struct layer *l) {
    int steps = 1;
    for (int i = 0; i < l->connections; i++)
        if (l->incoming[i].steps > steps) steps = l->incoming[i].steps;
    return steps;
}

/* Runs a layer; 0 or, where memory is short, 1. Threads live as long as the call, so that a fork meets none. */
EXPORTED int spikec_run_layer(struct layer *l, int number) {
    if (l->samples == 0) return 0;
    l->received = steps_received(l);
    if (products_of(l) < WORTH_A_THREAD) l->threads = 1;
    struct shared shared = {.layer = l, .cut = cut_of(l), .run = sets[number].run};
    int helpers = (l->threads < shared.cut.parts ? l->threads : shared.cut.parts) - 1, started = 0;
    pthread_t *threads = helpers > 0 ? malloc((size_t)helpers * sizeof *threads) : NULL;
    /* What a thread that could not be started would have done, the others do. */
    while (threads && started < helpers && !pthread_create(&threads[started], NULL, take_parts, &shared)) started++;
    take_parts(&shared);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(threads);
    return l->failed;
}
