# ruff: noqa: E501
"""What the tests ask of a page in its own language."""

AT_READY = """new MutationObserver((_, watch) => {
    if (document.documentElement && document.documentElement.dataset.ready) { watch.disconnect(); DO }
}).observe(document, {subtree: true, attributes: true, attributeFilter: ["data-ready"]});"""

FOCUSED = """() => {
    const each = document.activeElement, box = each.getBoundingClientRect(), bar = document.getElementById("slider-box");
    const top = document.elementFromPoint(box.left + Math.min(box.width, 40) / 2, box.top + Math.min(box.height, 16) / 2);
    return {
        name: each.id || (each.dataset.cell ? `cell ${each.dataset.cell}` : `${each.tagName} ${(each.closest("[id]") || {}).id} ${each.textContent.slice(0, 40)}`),
        outlined: getComputedStyle(each).outlineStyle === "solid",
        hidden: !bar.contains(each) && bar.contains(top),
    };
}"""

BAND_ENDS = """() => {
    const right = kind => Math.max(...[...document.querySelectorAll('#sankey ' + kind)]
        .map(each => each.getBoundingClientRect().right));
    return {places: right('.node-rect'), bands: right('.sankey-link')};
}"""

CONTRAST = """() => {
    const parse = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const ground = element => {
        for (let each = element; each; each = each.parentElement) {
            const colour = parse(getComputedStyle(each).backgroundColor);
            if (colour.length < 4 || colour[3] > .99) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        if (!own || element.closest('svg, script, style') || !element.getClientRects().length) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} "${element.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
    }
    return poor;
}"""

LANDMARKS = """[...document.querySelectorAll("section, nav, [role=region]")].map(each =>
    each.getAttribute("aria-label") || document.getElementById(each.getAttribute("aria-labelledby")).textContent)"""
