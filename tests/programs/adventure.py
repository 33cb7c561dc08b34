"""A small text adventure: bring the lamp oil up to the lighthouse before the evening is over.

It is here as a program of some size that is talked to. It is deterministic, reads one command per
line, writes complaints to the error output and ends with status 0 (won), 3 (too late) or 4 (gave up).
"""

import sys
from dataclasses import dataclass, field


class Complaint(Exception):
    """Something that the player cannot do; its text says why."""


class GameOver(Exception):
    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


@dataclass
class Item:
    name: str
    description: str
    weight: int = 1
    fixed: bool = False

    def __str__(self):
        return f"{self.name} ({self.weight} kg)"


@dataclass
class Room:
    name: str
    description: str
    exits: dict = field(default_factory=dict)
    items: dict = field(default_factory=dict)
    locked: dict = field(default_factory=dict)

    def add(self, *items):
        for item in items:
            self.items[item.name] = item
        return self

    def lines(self):
        yield f"== {self.name} =="
        yield self.description
        if self.items:
            yield "You see: " + ", ".join(sorted(self.items)) + "."
        yield "Ways: " + ", ".join(sorted(self.exits)) + "."


OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east", "up": "down", "down": "up"}


def connect(one, direction, other, key=None):
    one.exits[direction] = other
    other.exits[OPPOSITE[direction]] = one
    if key is not None:
        one.locked[direction] = key


def build_world():
    harbour = Room("Harbour", "Boats knock against the quay. It smells of tar and fish.")
    shed = Room("Shed", "Nets hang from the beams.")
    path = Room("Cliff path", "The wind pulls at your coat. Far above stands the lighthouse.")
    hall = Room("Lighthouse hall", "A round room with a stair that winds upwards.")
    lamp = Room("Lamp room", "The great lamp is dark. Ships’ lights blink on the sea — café-yellow, tiny.")

    connect(harbour, "east", shed)
    connect(harbour, "north", path)
    connect(path, "up", hall, key="key")
    connect(hall, "up", lamp)

    harbour.add(Item("anchor", "Rusty, and as heavy as it looks.", 90, fixed=True))
    shed.add(Item("oil", "A can of lamp oil, full.", 4), Item("net", "Torn.", 3))
    path.add(Item("key", "An iron key under a stone."))
    hall.add(Item("bell", "It has not been rung for years.", 40, fixed=True))
    lamp.add(Item("lamp", "It has been empty since the storm.", 200, fixed=True))
    return harbour


class Game:
    CARRY_LIMIT = 6
    EVENING = 20

    def __init__(self, start, out=sys.stdout, err=sys.stderr):
        self.room = start
        self.bag = {}
        self.turns = 0
        self.visited = {start.name}
        self.out = out
        self.err = err
        self.commands = {
            "look": self.look,
            "go": self.go,
            "take": self.take,
            "drop": self.drop,
            "examine": self.examine,
            "bag": self.show_bag,
            "light": self.light,
            "help": self.help,
            "quit": self.quit,
        }

    def say(self, text):
        print(text, file=self.out)

    def weight(self):
        return sum(item.weight for item in self.bag.values())

    def find(self, name, *places):
        if not name:
            raise Complaint("What do you mean?")
        for place in places:
            if name in place:
                return place[name]
        raise Complaint(f"There is no {name} here.")

    def look(self, _=""):
        for line in self.room.lines():
            self.say(line)

    def go(self, direction=""):
        if direction not in self.room.exits:
            raise Complaint(f"There is no way {direction or 'there'}.")
        key = self.room.locked.get(direction)
        if key is not None and key not in self.bag:
            raise Complaint(f"The door is locked. You need a {key}.")
        self.room = self.room.exits[direction]
        self.visited.add(self.room.name)
        self.look()

    def take(self, name=""):
        item = self.find(name, self.room.items)
        if item.fixed:
            raise Complaint(f"The {name} does not move.")
        if self.weight() + item.weight > self.CARRY_LIMIT:
            raise Complaint(f"With the {name} you would carry {self.weight() + item.weight} kg, and "
                            f"{self.CARRY_LIMIT} is all you can.")
        self.bag[name] = self.room.items.pop(name)
        self.say(f"You take the {item}.")

    def drop(self, name=""):
        self.find(name, self.bag)
        self.room.add(self.bag.pop(name))
        self.say(f"You put the {name} down.")

    def examine(self, name=""):
        self.say(self.find(name, self.bag, self.room.items).description)

    def show_bag(self, _=""):
        if not self.bag:
            self.say("Your bag is empty.")
            return
        for item in sorted(self.bag.values(), key=lambda item: (-item.weight, item.name)):
            self.say(f"  {item}")
        self.say(f"  = {self.weight()} of {self.CARRY_LIMIT} kg")

    def light(self, name=""):
        self.find(name, self.room.items)
        if name != "lamp":
            raise Complaint(f"The {name} does not burn.")
        if "oil" not in self.bag:
            raise Complaint("There is no oil in the lamp.")
        for second in range(3, 0, -1):
            self.say("." * second)
        raise GameOver(f"The lamp shines over the sea. You took {self.turns} turns and saw "
                       f"{len(self.visited)} places.", 0)

    def help(self, _=""):
        self.say("Commands: " + ", ".join(sorted(self.commands)) + ".")

    def quit(self, _=""):
        raise GameOver("You go home.", 4)

    def turn(self, line):
        verb, _, rest = line.strip().lower().partition(" ")
        if not verb:
            return
        self.turns += 1
        command = self.commands.get(verb)
        try:
            if command is None:
                raise Complaint(f"Nobody knows how to “{verb}”. Try help.")
            command(rest.strip())
        except Complaint as complaint:
            print(complaint, file=self.err)
        if self.turns >= self.EVENING:
            raise GameOver("It is dark now, and no light shows the way.", 3)

    def play(self):
        self.say("Bring the oil up to the lamp before the evening is over.")
        self.look()
        while True:
            try:
                line = input(f"[{self.turns + 1}] > ")
            except EOFError:
                raise GameOver("Nobody says anything any more.", 4) from None
            self.turn(line)


def main():
    try:
        Game(build_world()).play()
    except GameOver as over:
        print(over)
        return over.status


if __name__ == "__main__":
    sys.exit(main())
