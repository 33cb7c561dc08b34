"""Play a melody where you are: in your browser, not on the device."""

from further_link import play

MELODY = "C4 D4 E4 F4 G4 G4 A4 A4 A4 A4 G4 A4 A4 A4 A4 G4"

for note in MELODY.split():
    print(note)
    play(note, duration=0.3, wait=True)

print("Done.")
