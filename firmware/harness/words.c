#include "words.h"

#include <stddef.h>

char *words_next(char **rest)
{
    char *word = *rest;
    while (*word == ' ') {
        word++;
    }
    if (*word == '\0') {
        return NULL;
    }
    char *end = word;
    while (*end != '\0' && *end != ' ') {
        end++;
    }
    if (*end != '\0') {
        *end++ = '\0';
    }
    *rest = end;
    return word;
}

bool words_number(const char *word, uint32_t most, uint32_t *value)
{
    uint64_t sum = 0;
    if (word == NULL || *word == '\0') {
        return false;
    }
    for (; *word != '\0'; word++) {
        if (*word < '0' || *word > '9' || sum > most) {
            return false;
        }
        sum = sum * 10u + (uint32_t)(*word - '0');
    }
    *value = (uint32_t)sum;
    return sum <= most;
}

int words_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
