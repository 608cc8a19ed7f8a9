/* ---- windows of a convolution for edgec_dot_2x4 ----
 * Two pixels are made at a time: the left half of a row with the right half (the middle one of an odd width twice), or, where a call makes two rows,
 * a pixel with the one below it.  Both walk to the right in step, so that they share the way in which windows overlap. */

typedef struct {
    int32_t size_w, out_w, stride_w, dilation_w, pad_w, kernel_h, kernel_w, channels, part, outputs, each, groups, zx, round, lo, hi;
    int32_t group_words; /* of the stream, for four outputs */
    int32_t down;        /* row pointers from an output row to the next */
    int32_t slack;       /* columns of scratch behind a window */
    const int32_t *stream; /* of all groups of channels */
} edgec_conv_t;

typedef struct {
    int32_t count;  /* pairs of pixels */
    int32_t across; /* columns from the first pixel to the second, in the output */
    int32_t below;  /* row pointers from the first pixel to the second */
    int32_t apart;  /* bytes from the first pixel to the second, in the output */
} edgec_pairs_t;

/* How `n` (1 or 2) rows of `out` pixels go in pairs. */
static inline edgec_pairs_t edgec_pairs(int out, int outputs, int down, int n)
{
    const int across = n == 1 ? out / 2 : 0;
    const edgec_pairs_t pairs = { out - across, across, n == 1 ? 0 : down, (n == 1 ? across : out) * outputs };
    return pairs;
}

/* n bytes, any alignment; the last word may repeat bytes of the one before. */
static inline void edgec_copy_run(int8_t *to, const int8_t *from, int n)
{
    if (n < 4) {
        for (int i = 0; i < n; ++i) {
            to[i] = from[i];
        }
        return;
    }
    for (int i = 0; i < n - 4; i += 4) {
        edgec_store4(to + i, edgec_load4(from + i));
    }
    edgec_store4(to + n - 4, edgec_load4(from + n - 4));
}

/* n words, a multiple of four, to a lower address. */
static inline void edgec_move4(uint32_t *to, const uint32_t *from, int n)
{
    for (const uint32_t *const stop = from + n; from != stop;) {
#if EDGEC_DSP_ASM
        __asm__ volatile("ldm %0!, {r4-r7}\n\tstm %1!, {r4-r7}" : "+r"(from), "+r"(to) : : "r4", "r5", "r6", "r7", "memory");
#else
        *to++ = *from++;
#endif
    }
}

/* `part` bytes of a pixel, or the zero point where its row is NULL or `at` negative. */
static inline void edgec_conv_part(int8_t *to, const int8_t *row, int at, int part, int zx)
{
    if (row != NULL && at >= 0) {
        edgec_copy_run(to, row + at, part);
    } else {
        edgec_fill(to, zx, part);
    }
}

/* `lines` kernel rows of two columns, n bytes (a multiple of four) at rows0[i] + x0 and rows1[i] + x1, widened below each other. */
#if EDGEC_DSP_ASM
/* clang-format off */
#define EDGEC_WIDEN2_LINE_WORD "ldr r8, [r10], #4\n" "ldr r9, [r11], #4\n" EDGEC_WIDEN2

EDGEC_NAKED void edgec_widen2_lines(EDGEC_ARG uint32_t *to, EDGEC_ARG const int8_t *const *rows0, EDGEC_ARG const int8_t *const *rows1, EDGEC_ARG int x0,
                                    EDGEC_ARG int x1, EDGEC_ARG int n, EDGEC_ARG int lines)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "ldr lr, [sp, #44]\n"
        "1:\n" "ldr r10, [r1], #4\n" "ldrd r8, r12, [sp, #36]\n" "ldr r11, [r2], #4\n" "add r10, r10, r3\n" "add r11, r11, r8\n"
        "subs r12, r12, #16\n" "blt 3f\n"
        "2:\n" EDGEC_WIDEN2_LINE_WORD EDGEC_WIDEN2_LINE_WORD EDGEC_WIDEN2_LINE_WORD EDGEC_WIDEN2_LINE_WORD "subs r12, r12, #16\n" "bge 2b\n"
        "3:\n" "adds r12, r12, #12\n" "blt 5f\n"
        "4:\n" EDGEC_WIDEN2_LINE_WORD "subs r12, r12, #4\n" "bge 4b\n"
        "5:\n" "subs lr, lr, #1\n" "bne 1b\n"
        "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
static inline void edgec_widen2_lines(uint32_t *to, const int8_t *const *rows0, const int8_t *const *rows1, int x0, int x1, int n, int lines)
{
    for (int i = 0; i < lines; ++i, to += n) {
        edgec_widen2(to, rows0[i] + x0, rows1[i] + x1, n);
    }
}
#endif

/* One column of two windows where kernel rows are no whole words, or in the padding: b0, b1: where its bytes are brought together. */
EDGEC_SHARED void edgec_conv_border(const edgec_conv_t *c, const int8_t *const *rows, int below, int at0, int at1, int8_t *b0, int8_t *b1, uint32_t *to)
{
    const int part = c->part, bytes = c->kernel_h * part;
    for (int i = 0; i < bytes; i += part, ++rows) {
        edgec_conv_part(b0 + i, rows[0], at0, part, c->zx);
        edgec_conv_part(b1 + i, rows[below], at1, part, c->zx);
    }
    edgec_widen2(to, b0, b1, bytes);
}

/* n (1 or 2) output rows from windows that slide over columns: each column is widened once and serves all windows it lies in.
 * rows[ky]: [size][channels] int8, NULL in the padding; out: [n][out][outputs] int8; scratch: kernel_w + slack columns, two of them as bytes. */
EDGEC_SHARED void edgec_conv_columns(const edgec_conv_t *c, const int8_t *const *rows, int8_t *out, void *scratch, int n, edgec_dot_two *two)
{
    const int part = c->part, kernel_w = c->kernel_w, stride = c->stride_w, dilation = c->dilation_w;
    const int column = (c->kernel_h * part + 3) / 4 * 4, window = kernel_w * column; /* words */
    const int kept = dilation == 1 && stride < kernel_w ? kernel_w - stride : 0;     /* columns that the next window shares */
    const edgec_pairs_t pairs = edgec_pairs(c->out_w, c->outputs, c->down, n);
    uint32_t *const wide = (uint32_t *)scratch, *const end = wide + (kernel_w + c->slack) * column;
    int8_t *const b0 = (int8_t *)end, *const b1 = b0 + column;
    edgec_dot_t dot = edgec_dot_of(wide, window / 4, 2, c->round);
    const int32_t *stream = c->stream;
    int whole = part % 4 == 0; /* columns within the image are taken word by word */
    for (int i = 0; i < c->kernel_h + pairs.below; ++i) {
        whole &= rows[i] != NULL;
    }
    for (int g = 0; g < c->groups; ++g, out += c->each) {
        uint32_t *at = wide;
        int8_t *to = out;
        for (int x = 0, left = -c->pad_w, made = 0; x < pairs.count; ++x, left += stride, made = kept, to += c->outputs) {
            if (x > 0) {
                at += (kernel_w - kept) * column;
                if (at + window > end) {
                    edgec_move4(wide, at, kept * column);
                    at = wide;
                }
            }
            for (int kx = made; kx < kernel_w; ++kx) {
                const int x0 = left + kx * dilation, x1 = x0 + pairs.across * stride;
                const int at0 = x0 >= 0 && x0 < c->size_w ? x0 * c->channels + g * part : -1;
                const int at1 = x1 >= 0 && x1 < c->size_w ? x1 * c->channels + g * part : -1;
                if (whole && (at0 | at1) >= 0) {
                    edgec_widen2_lines(at + kx * column, rows, rows + pairs.below, at0, at1, part, c->kernel_h);
                } else {
                    edgec_conv_border(c, rows, pairs.below, at0, at1, b0, b1, at + kx * column);
                }
            }
            dot.x = at;
            dot.end = at + window;
            edgec_dot_2x4_all(&dot, stream, to, to + pairs.apart, c->each, two, NULL);
        }
        stream += (c->each + 3) / 4 * c->group_words;
    }
}

/* Two words of bytes -> four words, the pixels' by turns; returns what follows. */
static inline uint32_t *edgec_widen2_word(uint32_t *to, uint32_t a, uint32_t b)
{
#if EDGEC_DSP_ASM
    __asm__ volatile("sxtb16 r4, %1\n\tsxtb16 r5, %2\n\tsxtb16 r6, %1, ror #8\n\tsxtb16 r7, %2, ror #8\n\tstm %0!, {r4-r7}"
                     : "+r"(to)
                     : "r"(a), "r"(b)
                     : "r4", "r5", "r6", "r7", "memory");
    return to;
#else
    to[0] = edgec_sxtb16(a), to[1] = edgec_sxtb16(b), to[2] = edgec_sxtb16_ror8(a), to[3] = edgec_sxtb16_ror8(b);
    return to + 4;
#endif
}

/* A byte at place i of a word. */
static inline uint32_t edgec_byte(int8_t value, int i)
{
    return (uint32_t)(uint8_t)value << 8 * i;
}

/* n bytes of a row of `size`, from `before` bytes in front of it on (less than none: from within it); what lies outside, or in a row that is
 * NULL, is the zero point. */
static inline void edgec_stage(int8_t *to, const int8_t *row, int before, int size, int n, int zx)
{
    const int first = before < 0 ? 0 : before < n ? before : n, from = first - before;
    const int left = row == NULL || from > size ? 0 : size - from, count = left < n - first ? left : n - first;
    edgec_fill(to, zx, first);
    if (count > 0) {
        edgec_copy(to + first, row + from, count);
    }
    edgec_fill(to + first + count, zx, n - first - count);
}
