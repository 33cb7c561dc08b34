# The game Snake, in a terminal. The arrow keys turn the snake, "q" ends the game.
#
# What it shows: curses draws at any place of the terminal and reads single keys. It needs a real
# terminal, so tick "In a terminal" beside Run (other clients: pty).
import curses
import random


def play(screen):
    curses.curs_set(0)
    screen.timeout(200)
    height, width = screen.getmaxyx()
    snake = [(height // 2, width // 2 - column) for column in range(3)]
    direction = (0, 1)
    apple = (height // 2, width // 2 + 2)
    directions = {
        curses.KEY_UP: (-1, 0),
        curses.KEY_DOWN: (1, 0),
        curses.KEY_LEFT: (0, -1),
        curses.KEY_RIGHT: (0, 1),
    }
    score = turns = 0
    while True:
        screen.erase()
        screen.addstr(0, 0, f"Score: {score}   q: end")
        screen.addstr(*apple, "*")
        for row, column in snake:
            screen.addstr(row, column, "O")
        key = screen.getch()
        if key == ord("q"):
            return "given up", score, turns
        if key in directions:
            direction = directions[key]
            turns += 1
        head = (snake[0][0] + direction[0], snake[0][1] + direction[1])
        if head in snake or not (0 < head[0] < height and 0 <= head[1] < width - 1):
            return "crashed", score, turns
        snake.insert(0, head)
        if head == apple:
            score += 1
            apple = (random.randrange(1, height), random.randrange(width - 1))
        else:
            snake.pop()


end, score, turns = curses.wrapper(play)
print(f"{end}: apples {score}, turns {turns}")
