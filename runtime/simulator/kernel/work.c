/* One part of a layer's work; compiled once for each instruction set, under a name of its own (RUN_PART). */
#include "neurons.h"
#include "products.h"

enum { SUMS_AT_ONCE = 1 << 15, MOST_PLACES = 64 };

int VECTOR_WIDTH(void);
int VECTOR_WIDTH(void) { return VECTOR_BYTES << 8 | MOST_DENSE_BLOCK; }

static int add_currents(const struct connection *c, const struct layer *l, const struct part *part,
                        const struct chunk *chunk, int32_t *sums) {
    size_t plane = (size_t)l->samples * l->height * l->width * l->channels;
    for (int k = 0; k < chunk->last - chunk->first; k++) {
        struct place at = place_of(chunk, chunk->first + k);
        size_t sample = (size_t)(part->sample + at.sample);
        size_t place = ((sample * l->height + part->row + at.y) * l->width + at.x) * l->channels;
        for (int t = 0; t < c->steps; t++)
            add_to_steps(c, l, k * c->steps + t, 0, (const int32_t *)c->messages + (size_t)t * plane + place, sums,
                         l->channels);
    }
    return 0;
}

static int add_connection(const struct connection *c, const struct layer *l, const struct part *part,
                          const struct source *s, const struct chunk *chunk, int32_t *sums) {
    if (s->is_product || c->method == PAIRS) return add_products(c, l, s, chunk, sums);
    switch (c->method) {
    case CHANNELS: return add_channels(c, l, s, chunk, sums);
    case COORDINATES: return add_coordinates(c, l, s, chunk, sums);
    case CURRENTS: return add_currents(c, l, part, chunk, sums);
    default: return add_rows(c, l, s, chunk, sums);
    }
}

static int run_chunk(struct layer *l, const struct part *part, const struct source *sources,
                     const struct chunk *chunk, int32_t *sums, int32_t *v) {
    size_t each = (size_t)l->steps * l->channels;
    memset(sums, 0, (size_t)(chunk->last - chunk->first) * each * sizeof *sums);
    for (int i = 0; i < l->connections; i++)
        if (add_connection(&l->incoming[i], l, part, &sources[i], chunk, sums)) return 1;
    for (int k = chunk->first; k < chunk->last; k++) {
        struct place at = place_of(chunk, k);
        run_neurons(l, sums + (size_t)(k - chunk->first) * each, part, at, v);
    }
    return 0;
}

static int run_places(struct layer *l, const struct part *part, const struct source *sources) {
    struct chunk chunk = {.rows = part->last_row - part->row, .columns = l->width};
    int places = (part->last_sample - part->sample) * chunk.rows * chunk.columns;
    int at_once = SUMS_AT_ONCE / (l->steps * l->channels);
    at_once = at_once < 1 ? 1 : at_once > MOST_PLACES ? MOST_PLACES : at_once;
    int32_t *sums = malloc((size_t)at_once * l->steps * l->channels * sizeof *sums);
    int32_t *v = malloc((size_t)l->channels * sizeof *v);
    int failed = !sums || !v;
    for (int first = 0; first < places && !failed; first += at_once) {
        chunk.first = first;
        chunk.last = places - first < at_once ? places : first + at_once;
        failed = run_chunk(l, part, sources, &chunk, sums, v);
    }
    free(sums);
    free(v);
    return failed;
}

void RUN_PART(struct layer *l, const struct part *part);
void RUN_PART(struct layer *l, const struct part *part) {
    struct source *sources = calloc((size_t)l->connections + 1, sizeof *sources);
    int failed = !sources, read = 0;
    for (; !failed && read < l->connections; read++) {
        struct connection *c = &l->incoming[read];
        failed = read_source(c, l, part, &sources[read]);
        __atomic_fetch_add(sources[read].is_product ? &c->by_product : &c->by_rows, 1, __ATOMIC_RELAXED);
    }
    if (!failed) failed = run_places(l, part, sources);
    for (int i = 0; i < read; i++) drop_source(&sources[i]);
    free(sources);
    if (failed) __atomic_store_n(&l->failed, 1, __ATOMIC_RELAXED);
}
