# A countdown that can be started and stopped, with asyncio.
#
# What it shows: functions that are called by a button run in a thread of their own. A program with
# asyncio hands on what has happened with call_soon_threadsafe().
import asyncio

from further_link import Button, Number


async def count_down(display):
    while display.value > 0:
        await asyncio.sleep(0.02)
        display.value -= 1
    print("Lift-off!")


async def main():
    loop = asyncio.get_running_loop()
    orders = asyncio.Queue()

    def order(word):
        return lambda: loop.call_soon_threadsafe(orders.put_nowait, word)

    display = Number("Countdown", 50)
    Button("Start").when_pressed = order("start")
    Button("Abort").when_pressed = order("abort")
    Button("End").when_pressed = order("end")

    task = None
    while True:
        word = await orders.get()
        if word == "start" and task is None:
            print("counting down from", display.value)
            task = asyncio.create_task(count_down(display))
        elif word == "abort" and task is not None:
            task.cancel()
            task = None
            print("aborted")
        elif word == "end":
            break
    if task is not None:
        await task


asyncio.run(main())
