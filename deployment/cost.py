"""Dollars a month of the stack: measured milliseconds and memory times AWS's list prices.

``python deployment/cost.py`` prints the table of docs/deployment.md.
"""

from __future__ import annotations

from dataclasses import dataclass

PRICES_OF = "us-east-1, arm64, on demand, list prices of 2025"
GB_SECOND = 0.0000133334
INVOCATION = 0.20 / 1e6
HTTP_REQUEST = 1.00 / 1e6
LOG_GB = 0.50
OUT_GB = 0.09
PUT, GET = 0.005 / 1e3, 0.0004 / 1e3
STORED_GB = 0.023
FIXED = 1.00 + 5 * 0.10
"""A KMS key and five alarms."""
MONTH = 30 * 86_400
SESSIONS = 21

# measured under the emulator (docs/deployment.md says how); a Lambda of 512 MB has 0.29 of a core
API_MEMORY_GB = 0.5
API_MS = 1.2 / 0.29
API_LOG_BYTES = 260 + 230
ANSWER_BYTES = 3_000
REFRESH_MEMORY_GB = {100: 2.0, 5_000: 10.0}
REFRESH_SECONDS = {100: 10.4, 5_000: 425.0}
DOCUMENT_BYTES = 392_000
"""Of one symbol."""


@dataclass(frozen=True)
class Month:
    """Dollars by part."""

    api: float
    gateway: float
    logs: float
    transfer: float
    refresh: float
    storage: float

    @property
    def total(self) -> float:
        """All of it, with the fixed part."""
        return self.api + self.gateway + self.logs + self.transfer + self.refresh + self.storage + FIXED


def month(symbols: int, requests_per_second: float) -> Month:
    """The bill of a month in which `symbols` are refreshed every session, at this rate of requests all day."""
    requests = requests_per_second * MONTH
    # an environment polls the forecasts, and the account of paper trading, every 15 seconds
    read = 2 * MONTH / 15 * min(1.0, requests_per_second)
    return Month(
        api=requests * (INVOCATION + API_MS / 1e3 * API_MEMORY_GB * GB_SECOND),
        gateway=requests * HTTP_REQUEST,
        logs=requests * API_LOG_BYTES / 1e9 * LOG_GB,
        transfer=max(0.0, requests * ANSWER_BYTES / 1e9 - 100) * OUT_GB,  # the first 100 GB are free
        refresh=SESSIONS * REFRESH_SECONDS[symbols] * REFRESH_MEMORY_GB[symbols] * GB_SECOND,
        # versions of 90 days: 63 sessions' forecasts, of which S3 keeps the newest five
        storage=symbols * DOCUMENT_BYTES * 6 / 1e9 * STORED_GB + SESSIONS * symbols * 2 * PUT + read * GET,
    )


def main() -> None:
    """Print the table."""
    print(f"Dollars a month, {PRICES_OF}")
    print("| symbols | requests/s | API function | HTTP API | logs | transfer | refresh | storage | fixed | together |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for symbols in (100, 5_000):
        for rate in (1, 100):
            bill = month(symbols, rate)
            parts = (bill.api, bill.gateway, bill.logs, bill.transfer, bill.refresh, bill.storage, FIXED, bill.total)
            print(f"| {symbols:,} | {rate} | " + " | ".join(f"{part:,.2f}" for part in parts) + " |")


if __name__ == "__main__":
    main()
