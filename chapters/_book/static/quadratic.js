// <quadratic-descent>: gradient descent on a bowl with two curvatures, with a handle on the rate.
//
// `globalThis.quadratic` holds the arithmetic, which needs no page: tests run it and compare it
// with Python.  The element draws what these functions return and computes nothing itself.

(() => {
  // The points of gradient descent on (c[0] x[0]^2 + c[1] x[1]^2) / 2, the start first.
  function path(rate, curvatures, start, updates) {
    const points = [[...start]];
    for (let t = 0; t < updates; t++) {
      points.push(points[t].map((x, i) => x - rate * (curvatures[i] * x)));
    }
    return points;
  }

  // What each update multiplies the distance by, in each direction.
  function factors(rate, curvatures) {
    return curvatures.map((curvature) => 1 - rate * curvature);
  }

  // "straight", "swings", "swings for ever" or "diverges", for one factor.  A factor within
  // 1e-9 of -1 counts as -1: a slider cannot stand on 2 / curvature to the last bit.
  function behaviour(factor) {
    if (Math.abs(factor + 1) < 1e-9) return "swings for ever";
    if (factor < -1) return "diverges";
    return factor < 0 ? "swings" : "straight";
  }

  // Updates until the distance to the minimum is at most this share of the first; Infinity if
  // that takes more than `most`.
  function updatesTo(share, rate, curvatures, start, most = 10000) {
    const first = Math.hypot(...start);
    let point = start;
    for (let t = 0; t <= most; t++) {
      if (Math.hypot(...point) <= share * first) return t;
      point = path(rate, curvatures, point, 1)[1];
    }
    return Infinity;
  }

  globalThis.quadratic = { path, factors, behaviour, updatesTo };

  if (typeof HTMLElement === "undefined") return;        // not in a browser

  const START = [2, 0.8], FLAT = 1, UPDATES = 25;
  const WIDE = 480, HIGH = 260, SCALE = 96;              // picture and its pixels for a unit
  const x = (value) => (WIDE / 2 + SCALE * value).toFixed(1);
  const y = (value) => (HIGH / 2 - SCALE * value).toFixed(1);
  const signed = (value) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);

  function picture(points, steep) {
    const rings = [0.1, 0.5, 1.2, 2.4, 4].map((loss) => `<ellipse class="ring" cx="${x(0)}"
      cy="${y(0)}" rx="${SCALE * Math.sqrt(2 * loss / FLAT)}"
      ry="${SCALE * Math.sqrt(2 * loss / steep)}"/>`);
    const near = points.filter((point) => Math.hypot(...point) < 50);
    const dots = near.map((point) => `<circle cx="${x(point[0])}" cy="${y(point[1])}" r="3.5"/>`);
    return `${rings.join("")}
      <path class="minimum" d="M${x(0)} ${y(0)}m-7 0h14m-7 -7v14"/>
      <polyline points="${near.map((point) => `${x(point[0])},${y(point[1])}`).join(" ")}"/>
      ${dots.join("")}`;
  }

  function sentence(rate, steep) {
    const [, factor] = factors(rate, [FLAT, steep]);
    const needed = updatesTo(0.01, rate, [FLAT, steep], START);
    const arrives = `1 % of the distance is left after ${needed} updates`;
    switch (behaviour(factor)) {
      case "diverges": return "Diverges: each jump across the valley is longer than the last.";
      case "swings for ever": return "Neither: it jumps from side to side for ever.";
      case "swings": return `Oscillates and converges: ${arrives}.`;
      default: return `Converges without oscillating: ${arrives}.`;
    }
  }

  customElements.define("quadratic-descent", class extends HTMLElement {
    connectedCallback() {
      this.innerHTML = `
        <svg viewBox="0 0 ${WIDE} ${HIGH}" role="img"
             aria-label="Path of gradient descent on ellipses of equal loss"></svg>
        <label>Rate η <strong data-of="rate"></strong>
          <input type="range" name="rate" min="0.005" max="0.3" step="0.005" value="0.15">
        </label>
        <label>Curvature of the steep direction λ <strong data-of="steep"></strong>
          <input type="range" name="steep" min="2" max="20" step="1" value="10">
        </label>
        <dl>
          <div><dt>limit 2/λ</dt><dd data-of="limit"></dd></div>
          <div><dt>factor, steep 1 − ηλ</dt><dd data-of="sharp"></dd></div>
          <div><dt>factor, flat 1 − η</dt><dd data-of="flat"></dd></div>
        </dl>
        <p class="said" aria-live="polite"></p>`;
      this.addEventListener("input", () => this.show());
      this.show();
    }

    show() {
      const [rate, steep] = ["rate", "steep"].map(
        (name) => Number(this.querySelector(`[name=${name}]`).value));
      const [flat, sharp] = factors(rate, [FLAT, steep]);
      const texts = { rate: rate.toFixed(3), steep: String(steep), limit: (2 / steep).toFixed(3),
                      sharp: signed(sharp), flat: signed(flat) };
      for (const [name, text] of Object.entries(texts)) {
        this.querySelector(`[data-of=${name}]`).textContent = text;
      }
      this.dataset.state = behaviour(sharp);
      this.querySelector(".said").textContent = sentence(rate, steep);
      this.querySelector("svg").innerHTML =
        picture(path(rate, [FLAT, steep], START, UPDATES), steep);
    }
  });
})();
