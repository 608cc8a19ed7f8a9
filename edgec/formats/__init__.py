"""The package folder as what other build systems take: CMake, Zephyr, Arduino, PlatformIO, ESP-IDF, CMSIS-Pack."""
