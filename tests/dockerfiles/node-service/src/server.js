const http = require("node:http");
const handler = require("./handler");

const server = http.createServer((request, response) => response.end(handler(request.url)));
server.listen(process.argv.includes("--once") ? 0 : 3000, "127.0.0.1", () => {
  if (!process.argv.includes("--once")) return;
  http.get({ port: server.address().port, path: "/hello" }, (response) => {
    response.setEncoding("utf8").on("data", (text) => console.log(response.statusCode, text));
    response.on("end", () => server.close());
  });
});
