/* ---- products of one pixel by eight channels ---- */

{% if small %}
/* sums[i] = sum of x[k] * w[k][i] over x .. end, modulo 2^32. */
#if EDGEC_V6M_ASM
/* clang-format off */
{% macro tap(k) %}
"ldrb r2, [r0, #{{ k }}]\n" "sxtb r2, r2\n" {% for i in range(8) %}"ldrb r3, [r1, #{{ 8 * k + i }}]\n" "muls r3, r2, r3\n" "{{ "add r%d, r%d, r3" % (i + 4, i + 4) if i < 4 else "add r%d, r3" % (i + 4) }}\n" {% endfor %}
{% endmacro %}
EDGEC_NAKED void edgec_single_dot(EDGEC_ARG const int8_t *x, EDGEC_ARG const int8_t *end, EDGEC_ARG const uint8_t *w, EDGEC_ARG uint32_t *sums)
{
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r7, lr}\n" "mov r4, r8\n" "mov r5, r9\n" "mov r6, r10\n" "mov r7, r11\n" "push {r3-r7}\n"
        "mov r12, r1\n" "movs r1, r2\n" "movs r4, #0\n" "movs r5, #0\n" "movs r6, #0\n" "movs r7, #0\n"
        "mov r8, r4\n" "mov r9, r4\n" "mov r10, r4\n" "mov r11, r4\n"
        "mov r2, r12\n" "subs r2, r2, r0\n" "lsls r2, r2, #31\n" "beq 2f\n"
        {{ tap(0) }}
        "adds r1, r1, #8\n" "adds r0, r0, #1\n" "cmp r0, r12\n" "beq 3f\n"
        "2:\n"
        {{ tap(0) }}
        {{ tap(1) }}
        "adds r1, r1, #16\n" "adds r0, r0, #2\n" "cmp r0, r12\n" "bne 2b\n"
        "3:\n"
        "pop {r3}\n" "stm r3!, {r4-r7}\n" "mov r4, r8\n" "mov r5, r9\n" "mov r6, r10\n" "mov r7, r11\n" "stm r3!, {r4-r7}\n"
        "pop {r4-r7}\n" "mov r8, r4\n" "mov r9, r5\n" "mov r10, r6\n" "mov r11, r7\n" "pop {r4-r7, pc}\n");
}
/* clang-format on */
#else
static inline void edgec_single_dot(const int8_t *x, const int8_t *end, const uint8_t *w, uint32_t *sums)
{
    memset(sums, 0, 8 * sizeof(*sums));
    for (; x != end; ++x) {
        for (int i = 0; i < 8; ++i) {
            sums[i] += (uint32_t)(*x * *w++);
        }
    }
}
#endif
{% else %}
/* sums[i] += sum of x[k] * w[k][i] over x .. end, modulo 2^32. */
#if EDGEC_THUMB2_ASM
/* clang-format off */
{% macro tap() %}
"ldrsb r12, [r0], #1\n"
        {%- for i in range(0, 8, 2) %}"ldrsb r1, [r2], #1\n" "ldrsb r3, [r2], #1\n" "mla r{{ 4 + i }}, r12, r1, r{{ 4 + i }}\n" "mla r{{ 5 + i }}, r12, r3, r{{ 5 + i }}\n" {% endfor %}
{% endmacro %}
EDGEC_NAKED void edgec_single_dot(EDGEC_ARG const int8_t *x, EDGEC_ARG const int8_t *end, EDGEC_ARG const int8_t *w, EDGEC_ARG uint32_t *sums)
{
    __asm__ volatile(
        "push {r3-r11, lr}\n" "mov lr, r1\n" "subs r1, r1, r0\n" "ldm r3, {r4-r11}\n"
        "lsls r3, r1, #30\n" "beq 2f\n"
        "1:\n"
        {{ tap() }}
        "sub r1, lr, r0\n" "lsls r3, r1, #30\n" "bne 1b\n" "cmp r0, lr\n" "beq 3f\n"
        "2:\n"
        {{ tap() }}
        {{ tap() }}
        {{ tap() }}
        {{ tap() }}
        "cmp r0, lr\n" "bne 2b\n"
        "3:\n" "ldr r3, [sp]\n" "stm r3, {r4-r11}\n" "pop {r3-r11, pc}\n");
}
/* clang-format on */
#else
static inline void edgec_single_dot(const int8_t *x, const int8_t *end, const int8_t *w, uint32_t *sums)
{
    for (; x != end; ++x) {
        for (int i = 0; i < 8; ++i) {
            sums[i] += (uint32_t)(*x * *w++);
        }
    }
}
#endif
{% endif %}
