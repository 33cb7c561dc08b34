// The same with the client library: it keeps the connection, and nothing of the output is lost.
import { FurtherLink } from "./further-link.js";

const find = (id) => document.getElementById(id);
const link = new FurtherLink();
let program;

find("run").onclick = () => {
  find("output").textContent = "";
  program?.stop();
  program = link.start({ runner: "python3", code: find("code").value });
  program.on("output", ({ text }) => find("output").append(text));
  program.on("state", (state) => {
    find("state").textContent =
      state.kind === "stopped" ? `ended with status ${state.code}` : (state.message ?? state.kind);
    find("stop").disabled = state.kind !== "running";
  });
};
find("stop").onclick = () => program.stop();
document.querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  program?.write(`${find("input").value}\n`);
  find("output").append(`${find("input").value}\n`);
  find("input").value = "";
};
