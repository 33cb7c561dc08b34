/** English: the editor. */
export const editor = {
  editorArea: "Editor",
  editorLabel: "Text of {name}",
  editorTabs: "Open files",
  editorClose: "Close {name}",
  editorUnsaved: "not saved yet",
  editorSaved: "{name} is saved.",
  editorLoading: "Opening {name} …",

  editorNothing: "Write your first program",
  editorNothingText: "Press “New program” and change what you like: it is saved automatically.",
  editorNothingOpen: "No file is open",
  editorNothingOpenText: "Choose a file, or start a new program.",
  editorNewProgram: "New program",

  editorChanged: "This file was changed elsewhere, while you had changes of your own.",
  editorKeepMine: "Keep mine",
  editorTakeTheirs: "Take theirs",
  editorShowDifference: "Show the difference",
  editorHideDifference: "Hide the difference",
  editorDifference: "Difference: lines with − are only yours, lines with + only theirs.",
  editorDifferenceMore: "… and {count} more",
  editorReplaced: "This file no longer contains text. Yours is still here: copy what you need, then close the tab.",
  editorDeleted: "This file was deleted on the device. Its text is still here.",
  editorSaveAgain: "Save it again",
  editorDraft: "There is unsaved text from {when}.",
  editorDraftRestore: "Bring it back",
  editorDraftDiscard: "Throw it away",
  editorForeign: "This text is not in UTF-8, so it can be read here but not changed.",

  editorFailedConnection:
    "Not saved: the device does not answer. Your text is kept, and saved when the device is back.",
  editorFailedRights: "Not saved: you may not write to this file.",
  editorFailedFull: "Not saved: the device’s disk is full. Delete something you no longer need.",
  editorFailedLarge: "Not saved: the text is too long.",
  editorFailedBusy: "Not saved yet: the device is busy. Trying again soon.",
  editorFailedOther: "Not saved: {message}",
  editorTryAgain: "Try again",
  editorLoadFailed: "{name} could not be opened",
  editorLoadFailedConnection: "The device does not answer. The file opens when the device is back.",
  editorLoadFailedRights: "You may not read this file.",

  editorNotSavedChanged: "{name} was changed elsewhere. Decide in the editor which text to keep.",
  editorNotSavedDeleted: "{name} was deleted on the device.",
  editorNotSaved: "{name} could not be saved.",
  editorNoSuchFile: "There is no file {name}.",

  editorImage: "Picture {name}",
  editorImageFailed: "This picture cannot be shown.",
  editorBinary: "This file is no text.",
  editorLarge: "This file is too large for the editor.",
  editorDownload: "Download",

  editorCloseTitle: "Close {name}?",
  editorCloseText: "It has changes that are not on the device yet.",
  editorCloseSave: "Save and close",
  editorCloseDiscard: "Close without saving",

  editorFind: "Find",
  editorReplaceWith: "Replace with",
  editorNext: "Next",
  editorPrevious: "Previous",
  editorAll: "All",
  editorMatchCase: "Match case",
  editorRegexp: "Pattern",
  editorByWord: "Whole words",
  editorReplace: "Replace",
  editorReplaceAll: "Replace all",
  editorCloseSearch: "Close the search",
  editorCurrentMatch: "current match",
  editorReplacedMatches: "$ places replaced",
  editorReplacedMatch: "replaced on line $",
  editorOnLine: "on line",
  editorGoToLine: "Go to line",
  editorGo: "Go",
  editorControlCharacter: "Control character",
  editorSelectionDeleted: "Selection deleted",
  editorFoldedLines: "Folded lines",
  editorUnfoldedLines: "Unfolded lines",
  editorTo: "to",
  editorFoldedCode: "folded lines",
  editorUnfold: "unfold",
  editorFoldLine: "Fold",
  editorUnfoldLine: "Unfold",
  editorCompletions: "Suggestions",

  editorWelcomeProgram: `# My first program: it asks for your name.
name = input("What is your name? ")
print("Hello,", name + "!")

# Try it: change the words above, and press Run again.
for number in range(3, 0, -1):
    print(number)
print("Lift-off!")
`,
} as const satisfies Record<string, string>;
