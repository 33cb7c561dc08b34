import type { editor as english } from "../en/editor";

/** Deutsch: der Editor. */
export const editor: Record<keyof typeof english, string> = {
  editorArea: "Editor",
  editorLabel: "Text von {name}",
  editorTabs: "Offene Dateien",
  editorClose: "{name} schließen",
  editorUnsaved: "noch nicht gespeichert",
  editorSaved: "{name} ist gespeichert.",
  editorLoading: "{name} wird geöffnet …",

  editorNothing: "Schreib dein erstes Programm",
  editorNothingText: "Drück auf „Neues Programm“ und ändere, was du willst: Es speichert sich von selbst.",
  editorNothingOpen: "Keine Datei ist offen",
  editorNothingOpenText: "Wähl eine Datei oder fang ein neues Programm an.",
  editorNewProgram: "Neues Programm",

  editorChanged: "Diese Datei wurde woanders geändert, während du selbst Änderungen hattest.",
  editorKeepMine: "Meine behalten",
  editorTakeTheirs: "Die andere nehmen",
  editorShowDifference: "Unterschied zeigen",
  editorHideDifference: "Unterschied verbergen",
  editorDifference: "Unterschied: Zeilen mit − hast nur du, Zeilen mit + hat nur die andere.",
  editorDifferenceMore: "… und noch {count}",
  editorReplaced:
    "In dieser Datei ist jetzt kein Text mehr. Deiner ist noch hier: Kopier, was du brauchst, und schließ dann den Tab.",
  editorDeleted: "Diese Datei wurde auf dem Gerät gelöscht. Ihr Text ist noch hier.",
  editorSaveAgain: "Wieder speichern",
  editorDraft: "Hier ist noch Text von {when}, der nicht gespeichert wurde.",
  editorDraftRestore: "Zurückholen",
  editorDraftDiscard: "Wegwerfen",
  editorForeign: "Dieser Text ist nicht in UTF-8 geschrieben. Du kannst ihn hier ansehen, aber nicht ändern.",

  editorFailedConnection:
    "Nicht gespeichert: Das Gerät antwortet nicht. Dein Text bleibt erhalten und wird gespeichert, sobald es wieder da ist.",
  editorFailedRights: "Nicht gespeichert: Du darfst diese Datei nicht ändern.",
  editorFailedFull: "Nicht gespeichert: Der Speicher des Geräts ist voll. Lösch etwas, das du nicht mehr brauchst.",
  editorFailedLarge: "Nicht gespeichert: Der Text ist zu lang.",
  editorFailedBusy: "Noch nicht gespeichert: Das Gerät ist beschäftigt. Gleich geht es weiter.",
  editorFailedOther: "Nicht gespeichert: {message}",
  editorTryAgain: "Noch einmal versuchen",
  editorLoadFailed: "{name} konnte nicht geöffnet werden",
  editorLoadFailedConnection: "Das Gerät antwortet nicht. Sobald es wieder da ist, geht es weiter.",
  editorLoadFailedRights: "Du darfst diese Datei nicht lesen.",

  editorNotSavedChanged: "{name} wurde woanders geändert. Entscheide im Editor, welcher Text bleiben soll.",
  editorNotSavedDeleted: "{name} wurde auf dem Gerät gelöscht.",
  editorNotSaved: "{name} konnte nicht gespeichert werden.",
  editorNoSuchFile: "Es gibt keine Datei {name}.",

  editorImage: "Bild {name}",
  editorImageFailed: "Dieses Bild lässt sich nicht anzeigen.",
  editorBinary: "Diese Datei ist kein Text.",
  editorLarge: "Diese Datei ist zu groß für den Editor.",
  editorDownload: "Herunterladen",

  editorCloseTitle: "{name} schließen?",
  editorCloseText: "Darin sind Änderungen, die noch nicht auf dem Gerät sind.",
  editorCloseSave: "Speichern und schließen",
  editorCloseDiscard: "Ohne Speichern schließen",

  editorFind: "Suchen",
  editorReplaceWith: "Ersetzen durch",
  editorNext: "Weiter",
  editorPrevious: "Zurück",
  editorAll: "Alle",
  editorMatchCase: "Groß und klein beachten",
  editorRegexp: "Muster",
  editorByWord: "Ganze Wörter",
  editorReplace: "Ersetzen",
  editorReplaceAll: "Alle ersetzen",
  editorCloseSearch: "Suche schließen",
  editorCurrentMatch: "aktuelle Fundstelle",
  editorReplacedMatches: "$ Stellen ersetzt",
  editorReplacedMatch: "in Zeile $ ersetzt",
  editorOnLine: "in Zeile",
  editorGoToLine: "Gehe zu Zeile",
  editorGo: "Los",
  editorControlCharacter: "Steuerzeichen",
  editorSelectionDeleted: "Auswahl gelöscht",
  editorFoldedLines: "Eingeklappte Zeilen",
  editorUnfoldedLines: "Ausgeklappte Zeilen",
  editorTo: "bis",
  editorFoldedCode: "eingeklappte Zeilen",
  editorUnfold: "ausklappen",
  editorFoldLine: "Einklappen",
  editorUnfoldLine: "Ausklappen",
  editorCompletions: "Vorschläge",

  editorWelcomeProgram: `# Mein erstes Programm: Es fragt nach deinem Namen.
name = input("Wie heißt du? ")
print("Hallo,", name + "!")

# Probier es aus: Ändere die Wörter oben und drück wieder auf Starten.
for zahl in range(3, 0, -1):
    print(zahl)
print("Abheben!")
`,
};
