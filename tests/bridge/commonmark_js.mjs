// commonmark.js with Element's settings, one line of JSON in for one out: [typed] -> [formatted body, or null].
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "node_modules", "x.js"));
const { Parser, HtmlRenderer } = require("commonmark");
const ALLOWED = /^<\/?(?:sub|sup|del|s|u|br\/?)>$/;
const PLAIN = new Set(["text", "softbreak", "linebreak", "paragraph", "document"]);
const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");

function nodesOf(document) {
    const found = [];
    const walker = document.walker();
    for (let step = walker.next(); step; step = walker.next()) found.push(step.node);
    return found;
}

function rendered(document, plain) {
    const many = document.firstChild !== document.lastChild;
    const renderer = new HtmlRenderer({ safe: false, softbreak: plain ? "\n" : "<br />" });
    const paragraph = renderer.paragraph;
    renderer.paragraph = function (node, entering) {
        if (plain) this.lit(many && !entering && node.next ? "\n\n" : "");
        else if (many || node.parent.type === "block_quote") paragraph.call(this, node, entering);
    };
    renderer.html_inline = function (node) {
        this.lit(plain || ALLOWED.test(node.literal) ? node.literal : escape(node.literal));
    };
    renderer.html_block = renderer.html_inline;
    return renderer.render(document);
}

function formatted(typed) {
    const document = new Parser().parse(typed);
    const nodes = nodesOf(document);
    const isHtml = (node) => node.type.startsWith("html_");
    const marked = nodes.some((node) => (isHtml(node) ? ALLOWED.test(node.literal) : !PLAIN.has(node.type)));
    return !marked && !typed.includes("\\") ? null : rendered(document, !marked);
}

for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify([formatted(JSON.parse(line)[0])])}\n`);
}
