"""The generator: reads ``spi.toml`` and the SPI modules as text and writes everything that follows from them."""
