/* ---- products of three pixels at once with 32-bit multiplies ----
 * The inputs a, b, c of three pixels share two words, X = a + 2^21*b and Y = c + 2^10*b.  Sums of X*w and Y*w, modulo 2^32, hold all three
 * sums of products as long as each fits 21 bits: a's is in the low bits of the first, that is taken off, the 11 bits above are the low bits of b's;
 * with them 2^10 * b's low part is taken off the second, whose low 21 bits then are c's and whose high bits are the rest of b's.
 * The compiler has cut the inputs into chunks for which that holds whatever the input. */

typedef struct {
    const {{ "uint8_t" if small else "int8_t" }} *weight; /* groups of four channels, chunks of the inputs: {{ "[4][chunk], w - least w of the channel, or of -w" if small else "[chunk][4]" }} */
    const int32_t *numbers; /* of each channel: bias, m{{ ", offset of its weights, negative where they are those of -w" if small }} */
    int32_t depth, chunk, outputs, pitch, shift, left, round; /* pitch: from pixel to pixel of the results */
} edgec_triple_t;

/* n inputs of three pixels -> 2*n words; returns what is behind them. */
EDGEC_SHARED uint32_t *edgec_triple_pack(uint32_t *x, const int8_t *a, const int8_t *b, const int8_t *c, int n)
{
    for (const int8_t *const end = a + n; a != end; x += 2) {
        const uint32_t middle = (uint32_t)(int32_t)*b++;
        x[0] = (uint32_t)(int32_t)*a++ + (middle << 21);
        x[1] = (uint32_t)(int32_t)*c++ + (middle << 10);
    }
    return x;
}

/* The three numbers in two sums, added to abc. */
static inline void edgec_triple_split(const uint32_t *sums, int32_t *abc)
{
    const int32_t a = edgec_signed_bits(sums[0], 21);
    const uint32_t low = (sums[0] - (uint32_t)a) >> 21, rest = sums[1] - (low << 10);
    const int32_t c = edgec_signed_bits(rest, 21);
    abc[0] += a;
    abc[1] += (int32_t)low + (edgec_i32(rest - (uint32_t)c) >> 10);
    abc[2] += c;
}

/* Four channels: acc[3*i .. 3*i + 2] += sums of products of channel i with the inputs x .. end of the three pixels. */
{% if small %}
#if EDGEC_V6M_ASM
/* clang-format off */
/* r8, r9 sums, r10 end, r11 entry, r12 x, lr where results go; frame: 0 inputs the first turn skips, 4 end of the results. */
#define EDGEC_TRIPLE_TAPS(first, second) \
    "ldm r0!, {r2-r5}\n" "ldrb r6, [r1, #" first "]\n" "ldrb r7, [r1, #" second "]\n" \
    "muls r2, r6, r2\n" "add r8, r2\n" "muls r3, r6, r3\n" "add r9, r3\n" "muls r4, r7, r4\n" "add r8, r4\n" "muls r5, r7, r5\n" "add r9, r5\n"

EDGEC_NAKED void edgec_triple_dot(EDGEC_ARG const uint32_t *x, EDGEC_ARG const uint32_t *end, EDGEC_ARG const uint8_t *w, EDGEC_ARG int32_t *acc)
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r7, lr}\n" "mov r4, r8\n" "mov r5, r9\n" "mov r6, r10\n" "mov r7, r11\n" "push {r4-r7}\n" "sub sp, sp, #8\n"
        "mov r12, r0\n" "mov r10, r1\n" "mov lr, r3\n" "adds r3, r3, #48\n" "str r3, [sp, #4]\n"
        "subs r4, r1, r0\n" "lsrs r4, r4, #3\n" "rsbs r4, r4, #0\n" "movs r5, #15\n" "ands r4, r4, r5\n" "str r4, [sp]\n"
        "movs r5, #11\n" "muls r4, r5, r4\n" "adr r5, 2f\n" "adds r4, r4, r5\n" "adds r4, r4, #1\n" "mov r11, r4\n" "movs r1, r2\n"
        "1:\n" "mov r0, r12\n" "ldr r2, [sp]\n" "subs r1, r1, r2\n" "movs r2, #0\n" "mov r8, r2\n" "mov r9, r2\n" "bx r11\n"
        ".p2align 2\n"
        "2:\n" EDGEC_TRIPLE_TAPS("0", "1") EDGEC_TRIPLE_TAPS("2", "3") EDGEC_TRIPLE_TAPS("4", "5") EDGEC_TRIPLE_TAPS("6", "7")
        EDGEC_TRIPLE_TAPS("8", "9") EDGEC_TRIPLE_TAPS("10", "11") EDGEC_TRIPLE_TAPS("12", "13") EDGEC_TRIPLE_TAPS("14", "15")
        "adds r1, r1, #16\n" "cmp r0, r10\n" "bne 2b\n"
        "mov r2, r8\n" "lsls r3, r2, #11\n" "asrs r3, r3, #11\n" "subs r2, r2, r3\n" "lsrs r2, r2, #21\n" "mov r5, r9\n" "lsls r4, r2, #10\n" "subs r5, r5, r4\n"
        "lsls r6, r5, #11\n" "asrs r6, r6, #11\n" "subs r5, r5, r6\n" "asrs r5, r5, #10\n" "adds r4, r5, r2\n"
        "mov r0, lr\n" "ldm r0!, {r2, r5, r7}\n" "adds r3, r3, r2\n" "adds r4, r4, r5\n" "adds r6, r6, r7\n" "subs r0, r0, #12\n" "stm r0!, {r3, r4, r6}\n" "mov lr, r0\n"
        "ldr r3, [sp, #4]\n" "cmp r0, r3\n" "bne 1b\n"
        "add sp, sp, #8\n" "pop {r4-r7}\n" "mov r8, r4\n" "mov r9, r5\n" "mov r10, r6\n" "mov r11, r7\n" "pop {r4-r7, pc}\n");
}
/* clang-format on */
#else
static inline void edgec_triple_dot(const uint32_t *x, const uint32_t *end, const uint8_t *w, int32_t *acc)
{
    const int n = (int)(end - x) / 2;
    for (int i = 0; i < 4; ++i, w += n) {
        uint32_t sums[2] = { 0, 0 };
        for (int k = 0; k < n; ++k) {
            sums[0] += x[2 * k] * w[k];
            sums[1] += x[2 * k + 1] * w[k];
        }
        edgec_triple_split(sums, acc + 3 * i);
    }
}
#endif
{% else %}
#if EDGEC_THUMB2_ASM
/* clang-format off */
#define EDGEC_TRIPLE_TAP \
    "ldrd r3, lr, [r0], #8\n" "ldrsb r12, [r2], #1\n" "ldrsb r1, [r2], #1\n" \
    "mla r4, r3, r12, r4\n"   "mla r5, lr, r12, r5\n" "mla r6, r3, r1, r6\n"   "mla r7, lr, r1, r7\n" \
    "ldrsb r12, [r2], #1\n"   "ldrsb r1, [r2], #1\n" \
    "mla r8, r3, r12, r8\n"   "mla r9, lr, r12, r9\n" "mla r10, r3, r1, r10\n" "mla r11, lr, r1, r11\n"

/* Eight inputs a turn, 52 bytes of code each: the loop is entered so far in as the first turn lacks inputs. */
EDGEC_NAKED void edgec_triple_dot(EDGEC_ARG const uint32_t *x, EDGEC_ARG const uint32_t *end, EDGEC_ARG const int8_t *w, EDGEC_ARG int32_t *acc)
{
    __asm__ volatile(
        "push {r1, r3-r11, lr}\n" "subs r1, r1, r0\n" "rsb r1, r1, #0\n" "ubfx r1, r1, #3, #3\n" "movs r3, #52\n" "mul r1, r1, r3\n"
        "adr.w r3, 2f\n" "add r1, r1, r3\n" "orr r1, r1, #1\n"
        {% for r in range(4, 12) %}"mov{{ "s" if r < 8 else ".w" }} r{{ r }}, #0\n" {% endfor %}

        "bx r1\n" ".p2align 2\n"
        "2:\n" EDGEC_TRIPLE_TAP EDGEC_TRIPLE_TAP EDGEC_TRIPLE_TAP EDGEC_TRIPLE_TAP EDGEC_TRIPLE_TAP EDGEC_TRIPLE_TAP EDGEC_TRIPLE_TAP EDGEC_TRIPLE_TAP
        "ldr r12, [sp]\n" "cmp r0, r12\n" "bne 2b\n"
        "ldr r3, [sp, #4]\n"
{% for first in ("r4", "r6", "r8", "r10") %}
{% set second = "r%d" % (first[1:] | int + 1) %}
        "sbfx r12, {{ first }}, #0, #21\n" "sub {{ first }}, {{ first }}, r12\n" "lsr {{ first }}, {{ first }}, #21\n" "sub {{ second }}, {{ second }}, {{ first }}, lsl #10\n"
        "sbfx lr, {{ second }}, #0, #21\n" "sub {{ second }}, {{ second }}, lr\n" "add {{ first }}, {{ first }}, {{ second }}, asr #10\n"
        "ldm r3, {r0-r2}\n" "add r0, r0, r12\n" "add r1, r1, {{ first }}\n" "add r2, r2, lr\n" "stm r3!, {r0-r2}\n"
{% endfor %}
        "pop {r1, r3-r11, pc}\n");
}
/* clang-format on */
#else
static inline void edgec_triple_dot(const uint32_t *x, const uint32_t *end, const int8_t *w, int32_t *acc)
{
    for (int i = 0; i < 4; ++i) {
        uint32_t sums[2] = { 0, 0 };
        for (const uint32_t *at = x; at != end; at += 2) {
            const int32_t weight = w[2 * (at - x) + i];
            sums[0] += at[0] * (uint32_t)weight;
            sums[1] += at[1] * (uint32_t)weight;
        }
        edgec_triple_split(sums, acc + 3 * i);
    }
}
#endif
{% endif %}

/* What follows the sums, the same for all channels. */
typedef struct {
    int32_t inputs[3]; /* {{ "sums of the inputs: they undo the offset of the weights" if small else "not used" }} */
    int32_t left, round, shift, second, third; /* second, third: from the first pixel's result to the others' */
} edgec_triple_end_t;

/* Results of one channel; a pixel that is none has the place and value of the first.  numbers: as in edgec_triple_t. */
{% if small %}
#if EDGEC_V6M_ASM
/* clang-format off */
EDGEC_NAKED void edgec_triple_finish(EDGEC_ARG int32_t *acc, EDGEC_ARG const int32_t *numbers, EDGEC_ARG const edgec_triple_end_t *end, EDGEC_ARG int8_t *out)
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r3-r7, lr}\n" "mov r12, r2\n" "ldm r1!, {r3, r4, r5}\n" "asrs r6, r5, #31\n"
{% for j in (0, 4, 8) %}
        "ldr r1, [r0, #{{ j }}]\n" "eors r1, r1, r6\n" "subs r1, r1, r6\n" "ldr r7, [r2, #{{ j }}]\n" "muls r7, r5, r7\n" "subs r1, r1, r7\n" "adds r1, r1, r3\n"
        "ldr r7, [r2, #12]\n" "lsls r1, r1, r7\n" "str r1, [r0, #{{ j }}]\n"
{% endfor %}
        "mov r6, r0\n" "ldr r3, [r2, #16]\n" "lsls r3, r3, #1\n" "ldr r7, [r2, #20]\n" "adds r7, r7, #1\n"
        "lsls r1, r4, #17\n" "lsrs r1, r1, #17\n" "lsrs r2, r4, #15\n"
{% for j in (8, 4) %}
        "ldr r0, [r6, #{{ j }}]\n" EDGEC_REQUANTIZE_V6M "ldr r4, [sp]\n" "mov r5, r12\n" "ldr r5, [r5, #{{ 20 + j }}]\n" "strb r0, [r4, r5]\n"
{% endfor %}
        "ldr r0, [r6]\n" EDGEC_REQUANTIZE_V6M "ldr r4, [sp]\n" "strb r0, [r4]\n"
        "pop {r3-r7, pc}\n");
}
/* clang-format on */
#else
static inline void edgec_triple_finish(int32_t *acc, const int32_t *numbers, const edgec_triple_end_t *end, int8_t *out)
{
    const int at[3] = { 0, end->second, end->third };
    for (int j = 2; j >= 0; --j) {
        const int32_t dot = (numbers[2] < 0 ? -acc[j] : acc[j]) - numbers[2] * end->inputs[j];
        out[at[j]] = edgec_requantize8(edgec_left(numbers[0] + dot, end->left), numbers[1], end->shift, end->round);
    }
}
#endif
{% else %}
static inline void edgec_triple_finish(const int32_t *acc, const int32_t *numbers, const edgec_triple_end_t *end, int8_t *out)
{
    const int32_t m = numbers[1], left = end->left, shift = end->shift, round = end->round;
    out[end->third] = edgec_requantize8(edgec_left(acc[2], left), m, shift, round);
    out[end->second] = edgec_requantize8(edgec_left(acc[1], left), m, shift, round);
    out[0] = edgec_requantize8(edgec_left(acc[0], left), m, shift, round);
}
{% endif %}

/* All channels of up to three packed pixels; out: `pitch` bytes from pixel to pixel. */
EDGEC_SHARED void edgec_triple(const edgec_triple_t *p, const uint32_t *x, int8_t *out, int pixels)
{
    {{ "" if small else "const " }}edgec_triple_end_t end = { { 0, 0, 0 }, p->left, p->round, p->shift, pixels > 1 ? p->pitch : 0, pixels > 2 ? 2 * p->pitch : 0 };
    const int depth = p->depth, chunk = p->chunk;
    const {{ "uint8_t" if small else "int8_t" }} *w = p->weight;
    const int32_t *numbers = p->numbers;
{% if small %}
    uint32_t sums[2] = { 0, 0 };
    for (const uint32_t *at = x; at != x + 2 * depth; at += 2) {
        sums[0] += at[0];
        sums[1] += at[1];
    }
    edgec_triple_split(sums, end.inputs);
{% endif %}
    for (int rest = p->outputs; rest > 0; rest -= 4) {
        const int some = rest < 4 ? rest : 4;
        int32_t acc[12];
{% if small %}
        memset(acc, 0, sizeof(acc));
{% else %}
        for (int i = 0; i < some; ++i) {
            acc[3 * i] = acc[3 * i + 1] = acc[3 * i + 2] = numbers[2 * i];
        }
        for (int i = 3 * some; i < 12; ++i) {
            acc[i] = 0; /* channels that are none */
        }
{% endif %}
        for (int k = 0; k < depth; k += chunk) {
            const int stop = depth - k < chunk ? depth : k + chunk;
            edgec_triple_dot(x + 2 * k, x + 2 * stop, w, acc);
            w += 4 * (stop - k);
        }
        for (int i = 0; i < some; ++i, numbers += {{ 3 if small else 2 }}) {
            edgec_triple_finish(acc + 3 * i, numbers, &end, out++);
        }
    }
}
