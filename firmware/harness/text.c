#include "text.h"

#include <string.h>

#include "port.h"

void text(const char *string)
{
    while (*string != '\0') {
        port_putc(*string++);
    }
}

void text_line(const char *string)
{
    text(string);
    text("\r\n");
}

void text_unsigned(uint64_t value)
{
    char digits[21];
    int at = 20;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(value % 10u));
        value /= 10u;
    } while (value != 0u);
    text(&digits[at]);
}

void text_hex(uint32_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        port_putc("0123456789abcdef"[(value >> (4 * i)) & 15u]);
    }
}

void text_number_line(const char *prefix, uint64_t value, const char *suffix)
{
    text(prefix);
    text_unsigned(value);
    text_line(suffix);
}

void text_quoting(const char *before, const char *quoted)
{
    text(before);
    for (; *quoted != '\0'; quoted++) {
        port_putc(*quoted >= ' ' && *quoted <= '~' ? *quoted : '?');
    }
    text_line("]");
}

void text_milli(int64_t thousandths)
{
    uint64_t magnitude = thousandths < 0 ? 0u - (uint64_t)thousandths : (uint64_t)thousandths;
    if (thousandths < 0) {
        port_putc('-');
    }
    text_unsigned(magnitude / 1000u);
    port_putc('.');
    uint32_t rest = (uint32_t)(magnitude % 1000u);
    port_putc((char)('0' + rest / 100u));
    port_putc((char)('0' + rest / 10u % 10u));
    port_putc((char)('0' + rest % 10u));
}

/* IEEE 754 single precision to thousandths by integers only; what does not fit saturates, NaN gives 0. */
static int64_t float_milli(uint32_t bits)
{
    int32_t exponent = (int32_t)((bits >> 23) & 255u);
    int64_t mantissa = (int64_t)((bits & 0x7FFFFFu) | (exponent != 0 ? 0x800000u : 0u)) * 1000;
    int32_t shift = (exponent != 0 ? exponent : 1) - 150;
    int64_t value;
    if (exponent == 255) {
        value = (bits & 0x7FFFFFu) != 0u ? 0 : INT64_MAX;
    } else if (shift >= 0) {
        value = shift > 28 ? INT64_MAX : mantissa * ((int64_t)1 << shift);
    } else if (shift < -40) {
        value = 0;
    } else {
        value = (mantissa + ((int64_t)1 << (-shift - 1))) >> -shift;
    }
    return (bits >> 31) != 0u ? -value : value;
}

int64_t text_element_milli(const edgec_tensor *tensor, const uint8_t *bytes, uint32_t index)
{
    int64_t q = 0;
    uint32_t bits = 0;
    switch (tensor->dtype) {
    case EDGEC_INT8:
        q = (int8_t)bytes[index];
        break;
    case EDGEC_UINT8:
    case EDGEC_BOOL:
        q = bytes[index];
        break;
    case EDGEC_INT16: {
        int16_t half = 0;
        memcpy(&half, bytes + 2u * index, sizeof half);
        q = half;
        break;
    }
    case EDGEC_INT32:
        memcpy(&bits, bytes + 4u * index, sizeof bits);
        q = (int32_t)bits;
        break;
    case EDGEC_INT64:
        memcpy(&q, bytes + 8u * index, sizeof q);
        break;
    case EDGEC_FLOAT32:
        memcpy(&bits, bytes + 4u * index, sizeof bits);
        return float_milli(bits);
    }
    if (tensor->milli_multiplier == 0) {
        int64_t most = INT64_MAX / 1000;
        return (q > most ? most : (q < -most ? -most : q)) * 1000;
    }
    int64_t product = (q - tensor->zero_point) * tensor->milli_multiplier;
    return tensor->milli_shift == 0u ? product : (product + ((int64_t)1 << (tensor->milli_shift - 1u))) >> tensor->milli_shift;
}
