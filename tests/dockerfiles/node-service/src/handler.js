module.exports = (path) => JSON.stringify({ path, env: process.env.NODE_ENV });
