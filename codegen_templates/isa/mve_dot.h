{% set acc = [["r0", "r2", "r4", "r6"], ["r8", "r10", "r12", "lr"]] if pixels > 2 else [["r0", "r2"], ["r4", "r6"], ["r8", "r10"], ["r12", "lr"]] %}
{% set at = ["r1", "r3", "r5", "r7"] %}
{# vectors: of a pixel, written out; 0: any number, in d->more and d->pass. #}
{% set unrolled = vectors > 0 %}
{% set name = "edgec_mve_dot%d_%s%s%s%s" % (pixels, vectors or "n", "t" if tail else "", "l" if left else "", "r%d" % rest if rest else "") %}
{# One or two channels behind the groups of four are made by themselves; three as a group whose stores are predicated. #}
{% set few = rest if rest < 3 else 0 %}
{# One vector of every pixel times those of the channels of a pass (1 or 2: kept while pixels are loaded; 4: the other way round).
   a: "" for the first, "a" to accumulate; how: address suffix of the pixels. #}
{% macro load(q, p, how) %}"vldrb{{ "t" if how[0] == "t" }}.u8 {{ q }}, [{{ at[p] }}{{ how[1] }}\n" {% endmacro %}
{% macro step(a, how, channels) %}
{% if channels < 4 %}
{% for c in range(channels) %}
        "vldrw.u32 q{{ c }}, [r9], #16\n"
{% endfor %}
{% for p in range(pixels) %}
{% if how[0] == "t" and p % 2 == 0 %}
        "vpst{{ "t" if p + 1 < pixels }}\n" {{ load("q2", p, how) }}{{ load("q3", p + 1, how) if p + 1 < pixels }}
{% elif how[0] != "t" %}
        {{ load("q%d" % (2 + p % 2), p, how) }}
{% endif %}
{% if how[0] != "t" or p % 2 == 1 or p + 1 == pixels %}
{% for k in ([p - 1, p] if how[0] == "t" and p % 2 == 1 else [p]) %}
{% for c in range(channels) %}
        "vmladav{{ a }}.s8 {{ acc[c][k] }}, q{{ 2 + k % 2 }}, q{{ c }}\n"
{% endfor %}
{% endfor %}
{% endif %}
{% endfor %}
{% else %}
        {{ '"vpst%s\\n" ' % ("t" if pixels == 2) if how[0] == "t" }}{{ load("q0", 0, how) }}{{ load("q1", 1, how) if pixels == 2 }}
{% for c in range(4) %}
        "vldrw.u32 q{{ 2 + c % 2 }}, [{{ "r9" if c < 2 else "r5" }}], #16\n"
{% for p in range(pixels) %}
        "vmladav{{ a }}.s8 {{ acc[c][p] }}, q{{ p }}, q{{ 2 + c % 2 }}\n"
{% endfor %}
{% endfor %}
{% endif %}
{% endmacro %}
{% macro pass(channels, again) %}
{% if unrolled %}
{% for v in range(vectors) %}
{{ step("a" if v else "", ("t" if tail and v == vectors - 1 else "f", ", #%d]" % (v * 16 - (112 if vectors > 8 else 0))), channels) }}
{%- endfor %}
{% else %}
{{ step("", ("f", "], #16"), channels) }}
        "ldr r11, [sp, #52]\n" "tst r11, #1\n" "bne 4f\n"
        "3:\n"
{{ step("a", ("f", "], #16"), channels) }}
        "4:\n"
{{ step("a", ("f", "], #16"), channels) }}
        "subs r11, r11, #2\n" "bgt 3b\n"
{% if tail %}
{{ step("a", ("t", "]"), channels) }}
{%- endif %}
{% if again %}
        "ldrd r1, r3, [sp, #16]\n"{% if pixels > 2 %} "ldrd r5, r7, [sp, #24]\n"{% endif %}

{% endif %}
{% endif %}
{% endmacro %}
{% set outs = ["r0", "r2", "r4", "r6"] %}
{# The channels behind the groups, a vector each: its lanes are pixels.  pairs: lanes that are moved two at a time; ones: by themselves. #}
{% set pairs, ones = {4: ([0, 1], []), 3: ([0], [1]), 2: ([], [0, 1]), 1: ([], [0])}[pixels] %}
{% set bias, factor = ["r0", "r4"], ["r2", "r6"] %}
{% macro last() %}
{{ pass(few, false) }}
{%- for c in range(few) %}
{% for p in pairs %}
        "vmov q{{ 4 + c }}[{{ p + 2 }}], q{{ 4 + c }}[{{ p }}], {{ acc[c][p + 2] }}, {{ acc[c][p] }}\n"
{% endfor %}
{% for p in ones %}
        "vmov.32 q{{ 4 + c }}[{{ p }}], {{ acc[c][p] }}\n"
{% endfor %}
{% endfor %}
        "ldrd r8, r10, [sp, #40]\n"{{ ' "ldr r12, [sp, #48]\\n"' if left }}
{% for c in range(few) %}
        "ldrd {{ bias[c] }}, {{ factor[c] }}, [r9], #8\n" "vadd.i32 q{{ 4 + c }}, q{{ 4 + c }}, {{ bias[c] }}\n" "vdup.32 q{{ c }}, {{ factor[c] }}\n"
{% endfor %}
{% for what in (["vshl.s32 @, r12"] if left else []) + ["vqdmlash.s32 @, %, r8", "vshl.s32 @, r10", "vqmovnb.s32 @, @", "vqmovnb.s16 @, @"] %}
{% for c in range(few) %}
        "{{ what | replace("@", "q%d" % (4 + c)) | replace("%", "q%d" % c) }}\n"
{% endfor %}
{% endfor %}
        {{ '"ldm sp, {%s}\\n"' % outs[:pixels] | join(", ") if pixels > 1 else '"ldr r0, [sp]\\n"' }}
{% for c in range(few) %}
{% for p in pairs %}
        "vmov r8, r10, q{{ 4 + c }}[{{ p + 2 }}], q{{ 4 + c }}[{{ p }}]\n" "strb r10, [{{ outs[p] }}, #{{ c }}]\n" "strb r8, [{{ outs[p + 2] }}, #{{ c }}]\n"
{% endfor %}
{% for p in ones %}
        "vmov.32 r8, q{{ 4 + c }}[{{ p }}]\n" "strb r8, [{{ outs[p] }}, #{{ c }}]\n"
{% endfor %}
{% endfor %}
{% endmacro %}
/* {{ pixels }} pixel{{ "s" if pixels > 1 }} by {{ 2 if pixels > 2 else 4 }} channels at a time: out[i][o] = requantize(bias[o] + sum over k of w[o][k] * x[i][k]), {{ vectors or "d->more + 1 whole" }} vectors of 16 k,
 * d->blocks blocks of {{ pixels }} pixels.  x: int8, K bytes a pixel{{ ", d->tail of them in the last vector" if tail else ", whole vectors of them readable (those beyond K count nothing)" }}.{{ "  d->x stands 112 bytes ahead." if unrolled and vectors > 8 }}
 * Stream of four channels{{ ", as many times as they are whole" if few }}: for each vector those of channels 0 and 2, for each vector those of 1 and 3 (zeros beyond K), int32 bias[4], int32 m[4].
 * y = saturate((round + high(2 * (acc {{ "<< left" if left }}) * m)) >> shift), shift >= 1: VQDMLASH and a plain shift.{{ "  The last group has 3 channels." if rest == 3 }}
{% if few %}
 * Behind the whole groups: for each vector that of each of the last {{ few }} channels, then their (bias, m).
{% endif %} */
#if EDGEC_MVE_ASM
/* clang-format off */
/* Frame: 0 out pointers, 16 x pointers, 32 channels left, 36 d, 40 round, 44 -shift, 48 left, 52 more. */
EDGEC_MVE_NAKED void {{ name }}(EDGEC_MVE_ARG edgec_mve_dot_t *d)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "vpush {d8-d15}\n" "sub sp, sp, #60\n"
        "str r0, [sp, #36]\n" "ldrd r2, r3, [r0, #28]\n" "ldr r4, [r0, #36]\n" "strd r2, r3, [sp, #40]\n" "str r4, [sp, #48]\n"
{% if tail %}
        "ldr r1, [r0, #40]\n" "vctp.8 r1\n"
{% endif %}
{% if not unrolled %}
        "ldr r1, [r0, #44]\n" "str r1, [sp, #52]\n"
{% endif %}
        "1:\n"
        "ldr r0, [sp, #36]\n" "ldrd r1, r2, [r0]\n" "ldrd r4, r6, [r0, #16]\n"
{% if pixels == 4 %}
        "add r3, r1, r4\n" "add r5, r3, r4\n" "add r7, r5, r4\n" "add r9, r7, r4\n"
        "add r8, r2, r6\n" "add r10, r8, r6\n" "add r12, r10, r6\n" "add r11, r12, r6\n"
        "stm sp, {r2, r8, r10, r12}\n"
{% elif pixels == 3 %}
        "add r3, r1, r4\n" "add r5, r3, r4\n" "add r9, r5, r4\n"
        "add r8, r2, r6\n" "add r10, r8, r6\n" "add r11, r10, r6\n" "mov r7, r5\n"
        "stm sp, {r2, r8, r10}\n"
{% elif pixels == 2 %}
        "add r3, r1, r4\n" "add r9, r3, r4\n" "add r8, r2, r6\n" "add r11, r8, r6\n" "strd r2, r8, [sp]\n"
{% else %}
        "add r9, r1, r4\n" "add r11, r2, r6\n" "str r2, [sp]\n"
{% endif %}
        "strd r9, r11, [r0]\n"
{% if not unrolled %}
        "strd r1, r3, [sp, #16]\n"{% if pixels > 2 %} "strd r5, r7, [sp, #24]\n"{% endif %}

{% endif %}
        "ldrd r9, r11, [r0, #8]\n"
{% if few %}
        "subs r11, r11, #4\n"
{% endif %}
{% if not unrolled %}
        "str r11, [sp, #32]\n"
{% endif %}
{% if pixels < 3 %}
        {{ '"movw r7, #%d\\n"' % (vectors * 32) if unrolled else '"ldr r7, [r0, #48]\\n"' }} "add r5, r9, r7\n"
{% endif %}
{% if few %}
        "blt 5f\n"
{% endif %}
        "2:\n"
{{ pass(2 if pixels > 2 else 4, true) }}
{%- for p in range(pixels) %}
        "vmov q{{ 4 + p }}[2], q{{ 4 + p }}[0], {{ acc[0][p] }}, {{ acc[1][p] }}\n"
{% endfor %}
{% if pixels > 2 %}
{{ pass(2, true) }}
{%- for p in range(pixels) %}
        "vmov q{{ 4 + p }}[3], q{{ 4 + p }}[1], {{ acc[0][p] }}, {{ acc[1][p] }}\n"
{% endfor %}
{% else %}
{% for p in range(pixels) %}
        "vmov q{{ 4 + p }}[3], q{{ 4 + p }}[1], {{ acc[2][p] }}, {{ acc[3][p] }}\n"
{% endfor %}
{% endif %}
{% set w = "r9" if pixels > 2 else "r5" %}
        "vldrw.u32 q0, [{{ w }}], #16\n" "vldrw.u32 q1, [{{ w }}], #16\n" "ldrd r0, r2, [sp, #40]\n"
{% if left %}
        "ldr r4, [sp, #48]\n"
{% endif %}
{% for p in range(pixels) %}
        "vadd.i32 q{{ 4 + p }}, q{{ 4 + p }}, q0\n"
{% endfor %}
{% if left %}
{% for p in range(pixels) %}
        "vshl.s32 q{{ 4 + p }}, r4\n"
{% endfor %}
{% endif %}
{% for what in ["vqdmlash.s32 @, q1, r0", "vshl.s32 @, r2", "vqmovnb.s32 @, @", "vqmovnb.s16 @, @"] %}
{% for p in range(pixels) %}
        "{{ what | replace("@", "q%d" % (4 + p)) }}\n"
{% endfor %}
{% endfor %}
{% if not unrolled %}
        "ldr r11, [sp, #32]\n"
{% endif %}
        "ldm sp, {{ "{" }}{{ outs[:pixels] | join(", ") if pixels > 1 else "r0, r2" }}}\n"
{% if rest == 3 %}
        "vctp.32 r11\n" "vpst{{ "t" * (pixels - 1) }}\n"
{% endif %}
{% for p in range(pixels) %}
        "vstrb{{ "t" if rest == 3 }}.32 q{{ 4 + p }}, [{{ outs[p] }}], #4\n"
{% endfor %}
        "stm sp, {{ "{" }}{{ outs[:pixels] | join(", ") if pixels > 1 else "r0, r2" }}}\n"
{% if rest == 3 and tail %}
        "ldr r0, [sp, #36]\n" "ldr r0, [r0, #40]\n" "vctp.8 r0\n"
{% endif %}
{% if pixels < 3 %}
        "mov r9, r5\n" "add r5, r9, r7\n"
{% endif %}
        "subs r11, r11, #4\n"
{% if not unrolled %}
        "str r11, [sp, #32]\n"
{% endif %}
        "{{ "bge" if few else "bgt" }} 2b\n"
{% if few %}
        "5:\n"
{{ last() }}
{%- endif %}
        "ldr r0, [sp, #36]\n" "ldr r1, [r0, #24]\n" "subs r1, r1, #1\n" "str r1, [r0, #24]\n" "bne 1b\n"
        "add sp, sp, #60\n" "vpop {d8-d15}\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
static inline void {{ name }}(edgec_mve_dot_t *d)
{
    const int words = {{ "%d" % (vectors * 8) if unrolled else "d->pass / 4" }}; /* of two channels */
    const int depth = {{ "2 * words - 16 + d->tail" if tail else "2 * words" }};
    for (int32_t i = d->blocks * {{ pixels }}; i > 0; --i, d->x += d->x_step, d->out += d->out_step) {
        const int8_t *const x = d->x{{ " - 112" if unrolled and vectors > 8 }};
        for (int o = 0; o < d->outputs; ++o) {
            const int32_t *const group = d->stream + o / 4 * (2 * words + 8);
{% if few %}
            const int last = o >= d->outputs - {{ few }};
            const int8_t *const w = (const int8_t *)(group + (last ? o % 4 * 4 : o % 2 * words + o % 4 / 2 * 4));
            const int32_t *const end = group + (last ? words / 2 * {{ few }} + o % 4 * 2 : 2 * words + o % 4);
            const int32_t m = end[last ? 1 : 4];
{% else %}
            const int8_t *const w = (const int8_t *)(group + o % 2 * words + o % 4 / 2 * 4);
            const int32_t *const end = group + 2 * words + o % 4;
            const int32_t m = end[4];
{% endif %}
            int32_t acc = end[0];
            for (int k = 0; k < depth; ++k) {
                acc += x[k] * w[k / 16 * {{ "(last ? 16 : 32)" if few == 1 else "32" }} + k % 16];
            }
            d->out[o] = edgec_mve_narrow(edgec_left(acc, d->left), m, d->round, -d->shift);
        }
    }
}
#endif
