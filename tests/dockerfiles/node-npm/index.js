console.log(require("shout")("hello from a workspace"));
