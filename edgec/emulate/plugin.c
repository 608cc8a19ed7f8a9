/*
 * A QEMU (7.x and 8.x) TCG plugin that counts the instructions of one inference, by block of code and by layer.
 *
 * Debian ships QEMU's plugin interface but not its header, so the few functions used are declared here.
 * Source: QEMU, "TCG Plugins" documentation, interface version 1.
 *
 * Arguments: map=FILE out=FILE, width=4 where all instructions have that size (else they are Thumb).  The map: "start stop layers" in hexadecimal, then lines "low high class": an address in
 * [low, high) belongs to layer `class`; class == layers is the model's own overhead; class -1 is the harness, not
 * counted.  Addresses in no line (shared kernels, memcpy) count for whoever ran before.  Counting begins after the block
 * at `start` and ends at the one at `stop`, once; then `out` is written:
 *   B address bytes sizes      one translated block, sizes of its instructions as digits
 *   C layer executions fallthroughs    (of the block above)
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*trans_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*exec_cb)(unsigned int cpu, void *userdata);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, trans_cb cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb cb, int flags, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

#define CLASS_KEEP (-2)
#define CLASS_HARNESS (-1)

typedef struct {
    uint64_t low, high;
    int class;
} range;

typedef struct block {
    struct block *next;
    uint64_t address, end;
    int class;
    uint64_t *executed; /* [layers + 1] executions, then [layers + 1] fall-throughs; NULL until first counted */
    size_t instructions;
    char sizes[];
} block;

static uint64_t start_address, stop_address;
static int layers;
static range *ranges;
static size_t range_count;
static const char *out_path;
static size_t width; /* 0: Thumb */
static block *blocks;

static enum { WAITING, ARMED, DONE } state;
static int current = CLASS_HARNESS;
static block *previous;

static void write_counts(void)
{
    char partial[4096];
    snprintf(partial, sizeof partial, "%s.part", out_path);
    FILE *out = fopen(partial, "w");
    if (out == NULL) {
        return;
    }
    for (const block *b = blocks; b != NULL; b = b->next) {
        if (b->executed == NULL) {
            continue;
        }
        fprintf(out, "B %llx %llu %s\n", (unsigned long long)b->address, (unsigned long long)(b->end - b->address), b->sizes);
        for (int i = 0; i <= layers; i++) {
            if (b->executed[i] != 0) {
                fprintf(out, "C %d %llu %llu\n", i, (unsigned long long)b->executed[i],
                        (unsigned long long)b->executed[layers + 1 + i]);
            }
        }
    }
    if (fclose(out) == 0) {
        (void)rename(partial, out_path); /* whoever sees the file sees all of it */
    }
}

static void on_exec(unsigned int cpu, void *userdata)
{
    block *b = userdata;
    (void)cpu;
    if (state != ARMED) {
        if (state == WAITING && b->address == start_address) {
            state = ARMED;
        }
        return;
    }
    if (previous != NULL && b->address == previous->end) {
        previous->executed[layers + 1 + current]++;
    }
    previous = NULL;
    if (b->address == stop_address) {
        state = DONE;
        write_counts();
        return;
    }
    if (b->class != CLASS_KEEP) {
        current = b->class;
    }
    if (current != CLASS_HARNESS) {
        if (b->executed == NULL) {
            b->executed = calloc(2 * ((size_t)layers + 1), sizeof *b->executed);
            if (b->executed == NULL) {
                abort();
            }
        }
        b->executed[current]++;
        previous = b;
    }
}

static int classify(uint64_t address)
{
    for (size_t i = 0; i < range_count; i++) {
        if (address >= ranges[i].low && address < ranges[i].high) {
            return ranges[i].class;
        }
    }
    return CLASS_KEEP;
}

/* A Thumb instruction's size is in its first halfword.  QEMU's own answer is 2 too large for the last instruction before
 * a page boundary, because its translator peeks at the next one. */
static size_t thumb_size(const struct qemu_plugin_insn *insn)
{
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    return bytes[1] >> 3 >= 0x1D ? 4 : 2;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    block *b = calloc(1, sizeof *b + count + 1);
    (void)id;
    if (b == NULL) {
        abort();
    }
    b->address = qemu_plugin_tb_vaddr(tb);
    b->end = b->address;
    b->instructions = count;
    b->class = classify(b->address);
    for (size_t i = 0; i < count; i++) {
        size_t size = width != 0 ? width : thumb_size(qemu_plugin_tb_get_insn(tb, i));
        b->sizes[i] = (char)('0' + size);
        b->end += size;
    }
    b->next = blocks;
    blocks = b;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_exec, 0, b);
}

static bool read_map(const char *path)
{
    FILE *in = fopen(path, "r");
    unsigned long long low, high;
    int class;
    if (in == NULL || fscanf(in, "%llx %llx %d", &low, &high, &layers) != 3) {
        return false;
    }
    start_address = low;
    stop_address = high;
    while (fscanf(in, "%llx %llx %d", &low, &high, &class) == 3) {
        range *grown = realloc(ranges, (range_count + 1) * sizeof *ranges);
        if (grown == NULL) {
            return false;
        }
        ranges = grown;
        ranges[range_count++] = (range){low, high, class};
    }
    return fclose(in) == 0;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    const char *map = NULL;
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "map=", 4) == 0) {
            map = argv[i] + 4;
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out_path = argv[i] + 4;
        } else if (strcmp(argv[i], "width=4") == 0) {
            width = 4;
        }
    }
    if (map == NULL || out_path == NULL || !read_map(map)) {
        fprintf(stderr, "edgec plugin: cannot read its map\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
