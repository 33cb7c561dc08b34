// Every message is a command line; every answer is what it has put out. See docs/protocol.md,
// section 7.
const output = document.getElementById("output");
const input = document.getElementById("input");

const address = new URL(`/ws${location.search}`, location.href);
address.protocol = address.protocol.replace("http", "ws");
const socket = new WebSocket(address);

socket.onmessage = (event) => {
  output.textContent = event.data;
};
socket.onclose = () => {
  output.textContent = "The connection is closed. Load the page again for a new one.";
};
document.querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  socket.send(input.value);
};
