"""Lets many guests live at once and watches for the first who sees something strange."""

import asyncio

from .guest import Guest, Strange


class Hunt:
    """What all guests share. keeps_state: temporary tables and the like may be used."""

    def __init__(self, target, count, seed, keeps_state, without=()):
        self.address, self.database = target.address, target.database
        self.count, self.seed, self.keeps_state, self.without = count, seed, keeps_state, without
        self.is_over = False
        self.operations = self.logins = self.vanished = self.refused = 0
        self.asked_server = self.other_server = self.notified = 0

    def lines(self, seconds):
        yield (f"{self.operations} operations, {self.operations / seconds:.0f} a second;"
               f" {self.logins} logins, {self.vanished} vanished,"
               f" {self.notified} notifications, {self.refused} refused for want of pins")
        yield (f"another server than the last time: {self.other_server} of"
               f" {self.asked_server} times")


async def live(guest):
    try:
        await guest.live()
    except (asyncio.IncompleteReadError, OSError) as lost:
        guest.strange("the connection was lost", "an answer", guest.last_words or repr(lost))
    finally:
        if guest.writer is not None:
            guest.writer.transport.abort()


async def hunt(target, count, seconds, seed, keeps_state, without=()):
    """Returns the Hunt, and what was strange or None."""
    shared = Hunt(target, count, seed, keeps_state, without)
    guests = [Guest(shared, number) for number in range(count)]
    tasks = [asyncio.create_task(live(guest)) for guest in guests]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    shared.is_over = True
    if not any(task.exception() for task in done):
        done, waiting = await asyncio.wait(tasks, timeout=30,
                                           return_when=asyncio.FIRST_EXCEPTION)
        if waiting and not any(task.exception() for task in done):
            doing = sorted(guest.doing for guest, task in zip(guests, tasks) if task in waiting)
            for task in waiting:
                task.cancel()
            return shared, f"{len(waiting)} clients wait for ever: {', '.join(doing)[:200]}"
    strange = next((task.exception() for task in done if task.exception()), None)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if strange is not None and not isinstance(strange, Strange):
        raise strange
    return shared, strange
