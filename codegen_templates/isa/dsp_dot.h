/* ---- matrix products with pair-packed weights ----
 * Two output channels a, b share a halfword H = 256*b + a.  SMLAD with raw H sums S = 256*dot_b + dot_a, SMLAD with SXTB16(H) sums T = dot_a;
 * S - T is 256*dot_b, exactly, while |dot_b| < 2^23 (forms named split: of every 512 inputs).  Inputs are widened to int16 once: bytes 0..3 become the pairs (0,2) and (1,3).
 * The weight stream of a group of channels holds H words in the order of the inputs between start values and multipliers. */

typedef struct {
    const uint32_t *end; /* of the widened inputs */
    const uint32_t *x;   /* the widened inputs */
    int32_t round;       /* zero point and half a unit, before the shift */
    int32_t round_odd;   /* 256 times that: of the odd channels */
    uint32_t entry;      /* where the loop over inputs is entered, so that it needs no remainder; in C: pairs of channels that are left out */
    uint32_t exit;       /* what follows a turn of it: a test, or 0 where one turn is all */
    int32_t fours;       /* inputs of a pixel / 4 */
} edgec_dot_t;

/* The last 1..3 bytes of a run as a word, zeros behind them. */
static inline uint32_t edgec_load_some(const int8_t *x, int n)
{
    uint32_t word = 0;
    for (int i = 0; i < n; ++i) {
        word |= (uint32_t)(uint8_t)x[i] << 8 * i;
    }
    return word;
}

/* n bytes of one pixel -> (n + 3) / 4 * 2 words at wide; bytes beyond n read as zero. */
static inline void edgec_widen1(uint32_t *wide, const int8_t *x, int n)
{
    for (; n > 0; n -= 4, x += 4, wide += 2) {
        const uint32_t a = n >= 4 ? edgec_load4(x) : edgec_load_some(x, n);
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16_ror8(a);
    }
}

/* n bytes of two pixels -> (n + 3) / 4 * 4 words, the pixels' words by turns; bytes beyond n read as zero. */
#if EDGEC_DSP_ASM
/* clang-format off */
#define EDGEC_WIDEN2 \
    "sxtb16 r4, r8\n" "sxtb16 r5, r9\n" "sxtb16 r6, r8, ror #8\n" "sxtb16 r7, r9, ror #8\n" "stm r0!, {r4-r7}\n"
#define EDGEC_WIDEN2_WORD "ldr r8, [r1], #4\n" "ldr r9, [r2], #4\n" EDGEC_WIDEN2

EDGEC_NAKED void edgec_widen2(EDGEC_ARG uint32_t *wide, EDGEC_ARG const int8_t *x0, EDGEC_ARG const int8_t *x1, EDGEC_ARG int n)
{
    __asm__ volatile(
        "push {r4-r9}\n"
        "subs r3, r3, #16\n" "blt 2f\n"
        "1:\n" EDGEC_WIDEN2_WORD EDGEC_WIDEN2_WORD EDGEC_WIDEN2_WORD EDGEC_WIDEN2_WORD "subs r3, r3, #16\n" "bge 1b\n"
        "2:\n" "adds r3, r3, #12\n" "blt 4f\n"
        "3:\n" EDGEC_WIDEN2_WORD "subs r3, r3, #4\n" "bge 3b\n"
        "4:\n" "adds r3, r3, #4\n" "beq 6f\n"
        "add r1, r1, r3\n" "add r2, r2, r3\n" "mov r8, #0\n" "mov r9, #0\n"
        "5:\n" "ldrb r4, [r1, #-1]!\n" "ldrb r5, [r2, #-1]!\n" "orr r8, r4, r8, lsl #8\n" "orr r9, r5, r9, lsl #8\n" "subs r3, r3, #1\n" "bne 5b\n"
        EDGEC_WIDEN2
        "6:\n" "pop {r4-r9}\n" "bx lr\n");
}
/* clang-format on */
#else
static inline void edgec_widen2(uint32_t *wide, const int8_t *x0, const int8_t *x1, int n)
{
    for (; n > 0; n -= 4, x0 += 4, x1 += 4, wide += 4) {
        const uint32_t a = n >= 4 ? edgec_load4(x0) : edgec_load_some(x0, n);
        const uint32_t b = n >= 4 ? edgec_load4(x1) : edgec_load_some(x1, n);
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16(b);
        wide[2] = edgec_sxtb16_ror8(a);
        wide[3] = edgec_sxtb16_ror8(b);
    }
}
#endif

#if EDGEC_DSP_ASM
/* clang-format off */
/* One k-pair of two pixels and two pairs of channels.  The first one of a group reads the start values of the first pixel for both. */
#define EDGEC_MAC_2X4_FROM(a, b, c, d) \
    "ldrd r2, r3, [r0], #8\n"         "ldrd r12, lr, [r1], #8\n" \
    "smlad r5, r12, r3, " a "\n"      "smlad r4, r12, r2, r4\n"   "smlad r7, lr, r3, " b "\n"   "smlad r6, lr, r2, r6\n" \
    "sxtb16 r12, r12\n"               "sxtb16 lr, lr\n" \
    "smlad r9, r12, r3, " c "\n"      "smlad r8, r12, r2, r8\n"   "smlad r11, lr, r3, " d "\n"  "smlad r10, lr, r2, r10\n"
#define EDGEC_MAC_2X4_FIRST EDGEC_MAC_2X4_FROM("r4", "r6", "r8", "r10")
#define EDGEC_MAC_2X4 EDGEC_MAC_2X4_FROM("r5", "r7", "r9", "r11")

#define EDGEC_MAC_1X4 \
    "ldr r2, [r0], #8\n"        "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, r2, r4\n"   "smlad r6, lr, r2, r6\n"    "sxtb16 r12, r12\n"         "sxtb16 lr, lr\n" \
    "smlad r8, r12, r2, r8\n"   "smlad r10, lr, r2, r10\n"

/* One k-pair of a pixel and two pairs of channels, the first two of four and the last. */
#define EDGEC_MAC_1X8_FIRST(x) \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, " x ", r4\n"  "smlad r5, lr, " x ", r5\n"  "sxtb16 r12, r12\n"  "sxtb16 lr, lr\n" \
    "smlad r8, r12, " x ", r8\n"  "smlad r9, lr, " x ", r9\n"
#define EDGEC_MAC_1X8_LAST(x) \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r6, r12, " x ", r6\n"  "smlad r7, lr, " x ", r7\n"  "sxtb16 r12, r12\n"  "sxtb16 lr, lr\n" \
    "smlad r10, r12, " x ", r10\n" "smlad r11, lr, " x ", r11\n"
#define EDGEC_MAC_1X8(x) EDGEC_MAC_1X8_FIRST(x) EDGEC_MAC_1X8_LAST(x)

/* The loop over k, one copy for all shifts: entered and left by `ldr pc`, so that any number of steps will do;
 * leave: the way out before the test, for the one that often is a single turn.
 * Frame of its callers: 0 end, 4 x, 8 round, 12 round_odd, 16 entry, 20 exit (the test, or at once the next word), 24 where to return. */
#define EDGEC_DOT_CORE(name, turn, step, leave) \
    EDGEC_NAKED void name(void) \
    { \
        __asm__ volatile("2:\n" ".rept " #turn "\n" step ".endr\n" leave \
                         "ldr.w r12, [sp]\n" "cmp r0, r12\n" "bne.w 2b\n" "ldr.w pc, [sp, #24]\n"); \
    }
EDGEC_DOT_CORE(edgec_dot_core_2x4, 32, EDGEC_MAC_2X4, "ldr.w pc, [sp, #20]\n")
EDGEC_DOT_CORE(edgec_dot_core_1x4, 2, EDGEC_MAC_1X4 EDGEC_MAC_1X4, "")
EDGEC_DOT_CORE(edgec_dot_core_1x8, 4, "ldrd r2, r3, [r0], #8\n" EDGEC_MAC_1X8("r2") EDGEC_MAC_1X8("r3"), "")

/* r0 = dot -> the first seven words of the frame; the loop returns to label 4. */
#define EDGEC_DOT_FRAME \
    "ldm r0, {r4-r9}\n" "adr.w r10, 4f\n" "orr r10, r10, #1\n" "cmp r9, #0\n" "it eq\n" "moveq r9, r10\n" "stm sp, {r4-r10}\n"
/* clang-format on */

/* Entry and exit of a loop of so many steps, `turn` of them a turn (a power of two) and each of so many bytes of code; leave: bytes of the way
 * out before the test. */
static inline void edgec_dot_enter(edgec_dot_t *dot, void (*core)(void), int steps, int turn, int bytes, int leave)
{
    const uint32_t top = (uint32_t)(uintptr_t)core;
    dot->entry = top + (uint32_t)((-steps & (turn - 1)) * bytes);
    dot->exit = steps <= turn ? 0 : top + (uint32_t)(turn * bytes + leave);
}
#define EDGEC_DOT_ENTER_2X4(dot) edgec_dot_enter(dot, edgec_dot_core_2x4, 2 * (dot)->fours - 1, 32, 48, 4)
#define EDGEC_DOT_ENTER_1X4(dot) edgec_dot_enter(dot, edgec_dot_core_1x4, (dot)->fours, 2, 64, 0)
#define EDGEC_DOT_ENTER_1X8(dot) edgec_dot_enter(dot, edgec_dot_core_1x8, (dot)->fours, 4, 116, 0)
#else
#define EDGEC_DOT_ENTER_2X4(dot) (void)(dot)
#define EDGEC_DOT_ENTER_1X4(dot) (void)(dot)
#define EDGEC_DOT_ENTER_1X8(dot) (void)(dot)

/* One pixel and one pair of channels: x and h advance by their steps; s, t: S and T. */
static inline void edgec_dot_pair(const edgec_dot_t *dot, const uint32_t *x, int x_step, const int32_t *h, int h_step, int32_t *s, int32_t *t)
{
    for (; x < dot->end; x += x_step, h += h_step) {
        const uint32_t word = (uint32_t)*h;
        *s = edgec_smlad(word, *x, *s);
        *t = edgec_smlad(edgec_sxtb16(word), *x, *t);
    }
}

/* The same in the split forms, where sums are apart: b += dot_b, a += dot_a. */
static inline void edgec_dot_apart(const edgec_dot_t *dot, const uint32_t *x, int x_step, const int32_t *h, int h_step, int32_t *b, int32_t *a)
{
    for (; x < dot->end; x += x_step, h += h_step) {
        const uint32_t word = (uint32_t)*h, high = edgec_sadd16(edgec_sxtb16_ror8(word), (word >> 7) & 0x00010001u);
        *b = edgec_smlad(high, *x, *b);
        *a = edgec_smlad(edgec_sxtb16(word), *x, *a);
    }
}
#endif

/* One pixel at x, or two by turns, widened; round: before the shift. */
static inline edgec_dot_t edgec_dot_of(const uint32_t *x, int fours, int pixels, int32_t round)
{
    edgec_dot_t dot = { x + 2 * pixels * fours, x, round, edgec_i32((uint32_t)round << 8), 0, 0, fours };
    if (pixels == 2) {
        EDGEC_DOT_ENTER_2X4(&dot);
    } else {
        EDGEC_DOT_ENTER_1X8(&dot);
    }
    return dot;
}

typedef void edgec_dot_two(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, const int32_t *stop);
typedef void edgec_dot_one(const edgec_dot_t *dot, const int32_t *stream, int8_t *out, const int32_t *stop);

/* The same where a pixel is alone (out1 NULL) or the last group is not full: that one holds the last four channels, some of them again;
 * fewer than four channels go through a buffer. */
EDGEC_SHARED void edgec_dot_2x4_odd(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, int outputs,
                                    edgec_dot_two *two, edgec_dot_one *one)
{
    const int words = dot->fours * 4 + 8;
    const int32_t *const stop = stream + outputs / 4 * words, *const end = outputs % 4 != 0 ? stop + words : stop;
    if (outputs < 4) {
        int8_t made[8];
        two(dot, stream, made, made + 4, end);
        memcpy(out0, made, (size_t)outputs);
        if (out1 != NULL) {
            memcpy(out1, made + 4, (size_t)outputs);
        }
    } else if (out1 != NULL) {
        two(dot, stream, out0, out1, stop);
        two(dot, stop, out0 + outputs - 4, out1 + outputs - 4, end);
    } else {
        edgec_dot_t single = *dot;
        EDGEC_DOT_ENTER_1X4(&single);
        one(&single, stream, out0, stop);
        if (stop != end) {
            one(&single, stop, out0 + outputs - 4, end);
        }
    }
}

/* All `outputs` channels of two pixels, or of the first (out1 NULL). */
static inline void edgec_dot_2x4_all(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, int outputs,
                                     edgec_dot_two *two, edgec_dot_one *one)
{
    if (out1 != NULL && outputs % 4 == 0) {
        two(dot, stream, out0, out1, stream + outputs / 4 * (dot->fours * 4 + 8));
    } else {
        edgec_dot_2x4_odd(dot, stream, out0, out1, outputs, two, one);
    }
}

/* n pixels [depth] -> [outputs], two at a time.  dot: all but the pixels themselves; wide: room for two widened ones. */
EDGEC_SHARED void edgec_dense_2x4(const edgec_dot_t *dot, uint32_t *wide, const int8_t *x, int depth, const int32_t *stream, int8_t *out,
                                  int outputs, int n, edgec_dot_two *two, edgec_dot_one *one)
{
    for (; n > 0; n -= 2, x += 2 * depth, out += 2 * outputs) {
        edgec_widen2(wide, x, n > 1 ? x + depth : x, depth);
        edgec_dot_2x4_all(dot, stream, out, n > 1 ? out + outputs : NULL, outputs, two, one);
    }
}
