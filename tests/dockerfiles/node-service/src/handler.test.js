const test = require("node:test");
const assert = require("node:assert");
const handler = require("./handler");

test("tells the path", () => {
  assert.strictEqual(JSON.parse(handler("/x")).path, "/x");
});
