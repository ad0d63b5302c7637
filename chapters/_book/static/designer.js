// <lr-designer>: draw a schedule, read its numbers, take its code along.
//
// `globalThis.designer` holds everything that needs no page.  Tests compare its curves with lrlib's
// and execute the code it prints.  The element at the end draws what these functions return and
// computes nothing itself.

(() => {
  // What can be chosen -------------------------------------------------------------------------

  // Limits of a number.  `log` says that its slider is logarithmic, and where that begins.
  const RATE = { low: 0, high: 10, log: 1e-6, rate: true };
  const ABOVE = { ...RATE, low: 1e-7 };                  // frameworks take other rates as its parts
  const COUNT = { low: 1, high: 1e6, whole: true, time: true };
  const SPECS = {
    rate: ABOVE, start: ABOVE, peak: ABOVE, end: RATE, rates: RATE, warmup_start: RATE,
    steps: COUNT, every: COUNT, up: COUNT, down: COUNT, cooldown: COUNT,
    boundaries: COUNT, milestones: COUNT, warmup: { ...COUNT, low: 0 },
    shift: { low: 0.1, high: 1e6, log: 0.1, time: true },
    factor: { low: 1e-4, high: 1, step: 0.01 }, power: { low: 0.05, high: 8, step: 0.05 },
    growth: { low: 1, high: 4, whole: true }, width: { low: 1, high: 1e5, whole: true, log: 1 },
    scale: { low: 1e-3, high: 1e3, log: 1e-3 }, staircase: { choices: [false, true] },
    mode: { choices: ["triangular", "triangular2", "exp_range"] },
    shape: { choices: ["1-sqrt", "linear", "cosine"] },
    inner: { choices: ["Linear", "Cosine", "OneMinusSqrt", "REX"] },
  };
  const RUN = { low: 10, high: 1e6, whole: true, log: 10 };
  const MOST = { boundaries: 6, milestones: 6, curves: 5 };

  // Every family and recipe of lrlib.schedules: its fields in lrlib's order with values for a run
  // of 100 updates, its own limits, and whether it begins with a warm-up of its own.
  const ramp = { start: 0.1, end: 0, steps: 100 };
  const decay = { start: 0.1, factor: 0.5, every: 25 };
  const KINDS = {
    Constant: { about: "one rate", fields: { rate: 0.1 } },
    Linear: { about: "a straight line", fields: ramp },
    Cosine: { about: "slow, fast, slow", fields: ramp },
    Polynomial: { about: "a bent line", fields: { ...ramp, power: 2 } },
    OneMinusSqrt: { about: "steep, then flat", fields: ramp },
    REX: { about: "flat, then steep", fields: ramp },
    Exponential: { about: "a constant half-life", fields: { ...decay, staircase: false } },
    InverseTime: { about: "one over a line", fields: { ...decay, factor: 1, staircase: false },
                   specs: { factor: { low: 1e-4, high: 100, log: 1e-4 } } },
    PowerTime: { about: "a power of time", fields: { start: 0.1, power: 0.5, shift: 10 } },
    InverseSqrt: { about: "one over a root", fields: { start: 0.1, shift: 10 } },
    Step: { about: "a staircase", fields: decay },
    Piecewise: { about: "constant pieces",
                 fields: { rates: [0.1, 0.01, 0.001], boundaries: [50, 75] } },
    Cyclic: { about: "up and down in lines",
              fields: { start: 0.01, peak: 0.1, up: 10, down: 15, mode: "triangular",
                        factor: 0.98 }, specs: { start: RATE } },
    Repeated: { about: "a ramp that restarts",
                fields: { inner: "Linear", ...ramp, steps: 25, growth: 1, factor: 1 } },
    one_cycle: { about: "cosine up, cosine down", own: true,
                 fields: { peak: 0.1, steps: 100, warmup: 30, start: 0.004, end: 4e-7 } },
    wsd: { about: "warm up, stay, decay", own: true,
           fields: { peak: 0.1, steps: 100, warmup: 10, cooldown: 20, shape: "1-sqrt", end: 0 } },
    noam: { about: "the first Transformer’s", own: true,
            fields: { width: 512, warmup: 20, scale: 1 } },
    sgdr: { about: "cosine with restarts",
            fields: { ...ramp, steps: 14, growth: 2, factor: 1 } },
    multi_step: { about: "a factor at milestones",
                  fields: { start: 0.1, factor: 0.1, milestones: [50, 75] } },
  };

  const spec = (kind, name) => KINDS[kind].specs?.[name] ?? SPECS[name];
  const defaults = (kind) => KINDS[kind].own ? KINDS[kind].fields
    : { ...KINDS[kind].fields, warmup: 0, warmup_start: 0 };

  // The fields that matter now, and a schedule with no others.
  function fields(s) {
    return Object.keys(defaults(s.kind)).filter((name) =>
      (name !== "warmup_start" || s.warmup > 0)
      && (s.kind !== "Cyclic" || name !== "factor" || s.mode === "exp_range"));
  }

  function normal(s) {
    const full = { ...defaults(s.kind), ...s };
    return Object.fromEntries(["kind", ...fields(full)].map((name) => [name, full[name]]));
  }

  // From where to where a field may go.
  function limits(s, name, i) {
    let { low, high } = spec(s.kind, name);
    if (i !== undefined && spec(s.kind, name).whole) {
      low = i > 0 ? s[name][i - 1] + 1 : low;
      high = i < s[name].length - 1 ? s[name][i + 1] - 1 : high;
    }
    const { kind, steps, warmup, cooldown = 0 } = s, whole = kind === "one_cycle" || kind === "wsd";
    if (name === "warmup" && (kind === "noam" || kind === "one_cycle")) low = 1;
    if (whole && name === "steps") low = warmup + cooldown + 1;
    if (whole && name === "warmup") high = steps - cooldown - 1;
    if (whole && name === "cooldown") high = steps - warmup - 1;
    return [low, high];
  }

  const clamp = (x, [low, high]) => Math.min(Math.max(x, low), high);

  function wrong(name, value, { whole }, [low, high]) {
    const fits = Number.isFinite(value) && value >= low && value <= high
      && (!whole || Number.isInteger(value));
    return fits ? null : `${name} must be a ${whole ? "whole " : ""}number from ${low} to ${high}`
      + (Number.isNaN(value) ? "" : `, got ${value}`);
  }

  const not = (choices, name, value) => (choices.includes(value) ? null
    : `${name} must be one of ${choices.join(", ")}, got ${value}`);

  // What is wrong with a schedule; null if nothing is.
  function problem(s) {
    for (const name of fields(s)) {
      const value = s[name], own = spec(s.kind, name);
      const most = MOST[name] ?? s.boundaries?.length + 1, least = MOST[name] ? 1 : most;
      const said = own.choices ? not(own.choices, name, value)
        : !Array.isArray(defaults(s.kind)[name]) ? wrong(name, value, own, limits(s, name))
        : value.length < least || value.length > most
          ? `${name} must be ${least === most ? most : `1 to ${most}`} numbers, got ${value.length}`
        : value.map((v, i) => wrong(`${name}[${i}]`, v, own, limits(s, name, i))).find(Boolean);
      if (said) return said;
    }
    return null;
  }

  // Formulas: lrlib.schedules in JavaScript ------------------------------------------------------

  const SHAPES = {
    Linear: (p) => 1 - p,
    Cosine: (p) => (1 + Math.cos(Math.PI * p)) / 2,
    Polynomial: (p, { power }) => (1 - p) ** power,
    OneMinusSqrt: (p) => 1 - Math.sqrt(p),
    REX: (p) => (1 - p) / (0.5 + 0.5 * (1 - p)),
  };
  const between = (start, end, way) =>
    (way < 0.5 ? end + (start - end) * way : start - (start - end) * (1 - way));
  const stairs = (t, { every, staircase }) => (staircase ? Math.floor(t / every) : t / every);

  const FORMULAS = {
    Constant: (t, s) => s.rate,
    Exponential: (t, s) => s.start * s.factor ** stairs(t, s),
    InverseTime: (t, s) => s.start / (1 + s.factor * stairs(t, s)),
    PowerTime: (t, s) => s.start * (1 + t / s.shift) ** -s.power,
    InverseSqrt: (t, s) => s.start * Math.sqrt(s.shift / (t + s.shift)),
    Step: (t, s) => s.start * s.factor ** Math.floor(t / s.every),
    Piecewise: (t, s) => {
      let i = 0;
      while (t >= s.boundaries[i]) i++;
      return s.rates[i];
    },
    Cyclic: (t, s) => {
      const cycle = Math.floor(t / (s.up + s.down)), since = t - cycle * (s.up + s.down);
      const height = since <= s.up ? since / s.up : 1 - (since - s.up) / s.down;
      const shrunk = s.mode === "triangular" ? 1
        : s.mode === "triangular2" ? 0.5 ** cycle : s.factor ** t;
      return s.start + (s.peak - s.start) * height * shrunk;
    },
    Repeated: (t, s) => {
      let cycle = s.growth === 1 ? Math.floor(t / s.steps) : 0, first = cycle * s.steps;
      for (let long = s.steps; s.growth > 1 && t >= first + long; cycle++) {
        first += long;
        long *= s.growth;
      }
      return s.factor ** cycle * FORMULAS[s.inner]((t - first) / s.growth ** cycle, s);
    },
  };
  for (const [kind, shape] of Object.entries(SHAPES)) {
    FORMULAS[kind] = (t, s) => between(s.start, s.end, shape(Math.min(t / s.steps, 1), s));
  }

  const COOLDOWNS = { linear: "Linear", cosine: "Cosine", "1-sqrt": "OneMinusSqrt" };
  const RECIPES = {
    one_cycle: ({ peak, steps, warmup, start, end }) => [
      { kind: "Cosine", start, end: peak, steps: warmup },
      { kind: "Cosine", start: peak, end, steps: steps - warmup }],
    wsd: ({ peak, steps, warmup, cooldown, shape, end }) => [
      ...(warmup ? [{ kind: "Linear", start: 0, end: peak, steps: warmup }] : []),
      { kind: "Constant", rate: peak, steps: steps - warmup - cooldown },
      { kind: COOLDOWNS[shape], start: peak, end, steps: cooldown }],
    noam: ({ width, warmup, scale }) => {
      const peak = scale * (width * warmup) ** -0.5;
      const down = { kind: "InverseSqrt", start: peak, shift: warmup };
      return warmup === 1 ? [down]
        : [{ kind: "Linear", start: peak / warmup, end: peak, steps: warmup - 1 }, down];
    },
    sgdr: (s) => [{ ...s, kind: "Repeated", inner: "Cosine" }],
    multi_step: ({ start, factor, milestones }) => [
      { kind: "Piecewise", rates: [0, ...milestones].map((_, i) => start * factor ** i),
        boundaries: milestones }],
  };

  // The warm-up before a schedule.
  const lead = (s) => (KINDS[s.kind].own ? 0 : s.warmup ?? 0);

  // A schedule as families that follow each other; each but the last has its length in `steps`.
  function parts(s) {
    const main = RECIPES[s.kind]?.(s) ?? [s];
    return !lead(s) ? main
      : [{ kind: "Linear", start: s.warmup_start, end: FORMULAS[main[0].kind](0, main[0]),
           steps: s.warmup }, ...main];
  }

  function rates(s, n) {
    const found = new Float64Array(n), all = parts(s);
    let from = 0;
    all.forEach((part, i) => {
      const to = i === all.length - 1 ? n : Math.min(from + part.steps, n);
      const formula = FORMULAS[part.kind];
      for (let t = from; t < to; t++) found[t] = formula(t - from, part);
      from += part.steps;
    });
    return found;
  }

  // The update from which a schedule holds its last rate; null if it never does.
  function length(s) {
    const all = parts(s), last = all[all.length - 1];
    const before = all.slice(0, -1).reduce((sum, part) => sum + part.steps, 0);
    if (last.kind in SHAPES) return before + last.steps;
    return last.kind === "Piecewise" ? before + last.boundaries[last.boundaries.length - 1] : null;
  }

  const ends = (s) => parts(s).pop().kind in SHAPES;

  // The run that shows schedules whole: to the last end, or as many times longer than 100 as their
  // times are longer than those in KINDS.
  function reach(schedules) {
    const longest = (kind, s) => Math.max(1, ...Object.keys(KINDS[kind].fields)
      .filter((name) => spec(kind, name).time).flatMap((name) => s[name]));
    const ended = schedules.filter(ends);
    const all = ended.length ? ended.map(length) : schedules.map((s) =>
      lead(s) + 100 * longest(s.kind, s) / longest(s.kind, KINDS[s.kind].fields));
    return clamp(Math.round(Math.max(...all)), [RUN.low, RUN.high]);
  }

  // What is read off a curve.  The half-life counts the updates from the first highest rate to
  // the first that is at most half of it; null if the run has none.  The lowest is above 0.
  function readouts(all) {
    let top = 0, area = 0, half = null, lowest = Infinity;
    for (let t = 0; t < all.length; t++) {
      area += all[t];
      if (all[t] > 0 && all[t] < lowest) lowest = all[t];
      if (all[t] > all[top]) [top, half] = [t, null];
      else if (half === null && all[t] <= all[top] / 2) half = t - top;
    }
    return { first: all[0], highest: all[top], last: all[all.length - 1], area, lowest,
             halfLife: all[top] > 0 ? half : null };
  }

  // A function that remembers its last answer about each object.
  function remembered(compute) {
    const answers = new WeakMap();
    return (about, n) => {
      if (answers.get(about)?.n !== n) answers.set(about, { n, found: compute(about, n) });
      return answers.get(about).found;
    };
  }

  // A curve, and what is read off.  A ramp is drawn to where it arrives, one update after the run.
  const measured = remembered((s, run) => {
    const curve = rates(s, ends(s) ? run + 1 : run);
    return { curve, drawn: readouts(curve), used: readouts(curve.subarray(0, run)) };
  });

  // What to draw: of the updates in half a pixel the lowest and the highest.
  const thinned = remembered((curve, wide) => {
    const size = Math.max(1, Math.ceil(curve.length / wide / 2)), points = [];
    for (let from = 0; from < curve.length; from += size) {
      let low = from, high = from;
      for (let t = from; t < Math.min(from + size, curve.length); t++) {
        if (curve[t] < curve[low]) low = t;
        if (curve[t] > curve[high]) high = t;
      }
      points.push(Math.min(low, high), Math.max(low, high));
    }
    return points;
  });

  // The state of the page: a run, one schedule to work on and some that were kept -----------------

  const start = () => ({ run: 100, log: false, code: "lrlib",
                         schedules: [normal({ kind: "Cosine" })] });

  const edited = (state, s) => ({ ...state, schedules: [s, ...state.schedules.slice(1)] });

  const mapped = (s, names, by) => ({ ...s, ...Object.fromEntries(names.map((name) => [name,
    Array.isArray(s[name]) ? s[name].map((value) => by(value, name)) : by(s[name], name)])) });

  // Rates times a factor, and no 0.30000000000000004.
  const higher = (s, names, by) => mapped(s, names, (value, name) =>
    clamp(Number((value * by).toPrecision(6)), limits(s, name)));

  const longer = (s, by) => mapped(s, fields(s).filter((name) => spec(s.kind, name).time),
    (value, name) => (!spec(s.kind, name).whole ? value * by
      : Math.max(Math.min(value, 1), Math.round(value * by))));

  // A field of the first schedule set.  A ramp that ended with the run still does after a change
  // of its warm-up, and one_cycle keeps its shape at another peak.
  function change(state, name, value, i) {
    const [s] = state.schedules;
    let next = { ...s, [name]: i === undefined ? value
      : s[name].map((old, j) => (j === i ? value : old)) };
    if (name === "warmup" && s.kind in SHAPES && length(s) === state.run && value < state.run) {
      next.steps = state.run - value;
    }
    if (name === "peak" && s.kind === "one_cycle") {
      next = higher(next, ["start", "end"], value / s.peak);
    }
    return edited(state, normal(next));
  }

  // Another run: the first schedule is stretched with it, where its limits allow.  A warm-up stays
  // if it fits, but that of one_cycle is a share of the cycle.
  function stretch(state, run) {
    const [s] = state.schedules, by = run / state.run, all = longer(s, by);
    const next = s.kind === "one_cycle" ? all : { ...all, warmup: s.warmup };
    if (s.kind in SHAPES) next.steps = Math.round(length(s) * by) - s.warmup;
    return edited({ ...state, run }, [next, all].find((one) => !problem(one)) ?? s);
  }

  // Another kind.  A ramp made of a ramp keeps all they share; others start from their first
  // values, as high as before, and keep a warm-up.
  function choose(state, kind) {
    const [s] = state.schedules;
    let next = normal({ ...s, kind });
    if (!(kind in SHAPES && s.kind in SHAPES)) {
      next = longer(normal({ kind }), state.run / 100);
      const highest = ({ peak, start, rate, rates }) => peak ?? start ?? rate ?? rates?.[0];
      next = higher(next, fields(next).filter((name) => spec(kind, name).rate),
        highest(s) / highest(next) || 1);
      if (lead(s) && !KINDS[kind].own) {
        next = { ...next, warmup: s.warmup, warmup_start: s.warmup_start };
        if (kind in SHAPES && s.warmup < state.run) next.steps = state.run - s.warmup;
      }
    }
    return problem(next) ? state : edited(state, next);
  }

  // One constant piece more or less at the end.
  function pieces(state, more) {
    const [s] = state.schedules;
    const name = s.boundaries ? "boundaries" : "milestones", list = s[name];
    const last = list[list.length - 1];
    const next = { ...s, [name]: more ? [...list, last + Math.max(1, Math.round(state.run / 10))]
      : list.slice(0, -1) };
    if (s.rates) {
      next.rates = more ? [...s.rates, s.rates[s.rates.length - 1] / 2] : s.rates.slice(0, -1);
    }
    return problem(next) ? state : edited(state, next);
  }

  // The first schedule exchanged with a kept one.
  function swap(state, i) {
    const all = [...state.schedules];
    [all[0], all[i]] = [all[i], all[0]];
    return { ...state, schedules: all };
  }

  // Handles: points of the curve and what moving them to (x, y) sets, as [field, value, index].
  function handles(s) {
    const w = lead(s);
    const warm = w > 0 ? [{ name: "warm-up start", x: 0, y: s.warmup_start,
                            set: (x, y) => [["warmup_start", y]] }] : [];
    const moveWarm = (x) => (w > 0 ? [["warmup", x]] : []);
    const first = (name) => ({ name: "start", x: w, y: s[name],
                               set: (x, y) => [...moveWarm(x), [name, y]] });
    const end = { name: "end", x: w + s.steps, y: s.end,
                  set: (x, y) => [["steps", x - w], ["end", y]] };
    const fall = (x, y, set) => ({ name: "fall", x: w + x, y, set });
    const own = {
      Constant: () => [{ ...first("rate"), name: "rate" }],
      Polynomial: () => [first("start"), { name: "bend", x: w + s.steps / 2,
        y: s.end + (s.start - s.end) * 0.5 ** s.power,
        set: (x, y) => [["power", -Math.log2((y - s.end) / (s.start - s.end))]] }, end],
      InverseTime: () => [first("start"), fall(s.every, s.start / (1 + s.factor),
        (x, y) => [["every", x - w], ["factor", s.start / y - 1]])],
      PowerTime: () => [first("start"), fall(s.shift, s.start * 2 ** -s.power,
        (x, y) => [["shift", x - w], ["power", Math.log2(s.start / y)]])],
      InverseSqrt: () => [first("start"), fall(3 * s.shift, s.start / 2,
        (x) => [["shift", (x - w) / 3]])],
      Piecewise: () => s.rates.map((y, i) => (i === 0
        ? { name: "rate 1", x: w, y, set: (x, v) => [...moveWarm(x), ["rates", v, 0]] }
        : { name: `rate ${i + 1}`, x: w + s.boundaries[i - 1], y,
            set: (x, v) => [["boundaries", x - w, i - 1], ["rates", v, i]] })),
      Cyclic: () => {
        const shrunk = s.mode === "exp_range" ? s.factor ** s.up : 1;
        return [first("start"),
          { name: "peak", x: w + s.up, y: s.start + (s.peak - s.start) * shrunk,
            set: (x, y) => [["up", x - w], ["peak", s.start + (y - s.start) / shrunk]] },
          { name: "end of the cycle", x: w + s.up + s.down, y: s.start,
            set: (x, y) => [["down", x - w - s.up], ["start", y]] }];
      },
      one_cycle: () => [
        { name: "start", x: 0, y: s.start, set: (x, y) => [["start", y]] },
        { name: "peak", x: s.warmup, y: s.peak, set: (x, y) => [["warmup", x], ["peak", y]] }, end],
      wsd: () => [
        { name: "plateau", x: s.warmup, y: s.peak, set: (x, y) => [["warmup", x], ["peak", y]] },
        { name: "end of the plateau", x: s.steps - s.cooldown, y: s.peak,
          set: (x, y) => [["cooldown", s.steps - x], ["peak", y]] }, end],
      noam: () => [{ name: "peak", x: s.warmup - 1, y: s.scale * (s.width * s.warmup) ** -0.5,
        set: (x, y) => [["warmup", x + 1], ["scale", y * (s.width * Math.max(x + 1, 1)) ** 0.5]] }],
      multi_step: () => [first("start"), ...s.milestones.map((at, i) => ({
        name: `milestone ${i + 1}`, x: w + at, y: s.start * s.factor ** (i + 1),
        set: (x, y) => [["milestones", x - w, i], ["factor", (y / s.start) ** (1 / (i + 1))]] }))],
    };
    const falling = () => [first("start"), fall(s.every, s.start * s.factor,
      (x, y) => [["every", x - w], ["factor", y / s.start]])];
    const ramping = () => [first("start"), end];
    return [...warm, ...(own[s.kind] ?? ("every" in s ? falling : ramping))()];
  }

  // The state after a handle was moved towards (x, y), within the limits.
  function moved(state, name, x, y) {
    const handle = handles(state.schedules[0]).find((one) => one.name === name);
    return handle.set(x, y).reduce((now, [field, value, i]) => {
      const s = now.schedules[0];
      const neat = spec(s.kind, field).whole ? Math.round(value) : Number(value.toPrecision(3));
      return Number.isNaN(neat) ? now : change(now, field, clamp(neat, limits(s, field, i)), i);
    }, state);
  }

  // The handles on the chart, which is a little longer than the run, and what lies beyond it.
  const fits = (x, run) => x <= 1.01 * run;
  const inside = ({ run, schedules: [s] }) => handles(s).filter(({ x }) => fits(x, run));

  function beyond({ run, schedules: [s] }) {
    const { name, x } = handles(s).pop();
    return fits(x, run) ? ""
      : ends(s) ? `The schedule ends at update ${x}, the run at ${run}.`
      : `“${name}” is at update ${Math.round(x)}, the run ends at ${run}.`;
  }

  // What is entered -------------------------------------------------------------------------------

  const LABELS = {
    run: "Updates of the run",
    rate: "Rate", start: "Start", end: "End", peak: "Peak", steps: "Length (updates)",
    every: "Every (updates)", up: "Way up (updates)", down: "Way down (updates)",
    factor: "Factor", power: "Power", shift: "Shift (updates)", growth: "Growth of the cycles",
    width: "Width of the model", scale: "Scale", cooldown: "Cooldown (updates)",
    warmup: "Warm-up (updates)", warmup_start: "Warm-up from", staircase: "Staircase",
    mode: "Mode", shape: "Shape of the cooldown", inner: "Ramp", rates: "Rate #",
    boundaries: "Change # (update)", milestones: "Milestone # (update)",
  };

  // What a control stands for: "run", "start", or "rates-1" for one of a list.
  function entry({ run, schedules: [s] }, id) {
    const [name, index] = id.split("-"), i = index && Number(index);
    const label = LABELS[name].replace("#", i + 1);
    return name === "run" ? { name, label, own: RUN, value: run, range: [RUN.low, RUN.high] }
      : { name, i, label, own: spec(s.kind, name), value: index ? s[name][i] : s[name],
          range: limits(s, name, i) };
  }

  // The state after a value was entered there, or what is wrong with it.
  function entered(state, id, value) {
    const { name, i, label, own, range } = entry(state, id);
    const said = own.choices ? null
      : wrong(label.replace(/ \(.*/, ""), value, own, range);
    return { problem: said, state: said ? state
      : id === "run" ? stretch(state, value) : change(state, name, value, i) };
  }

  const updates = (epochs, examples, batch) => epochs * Math.ceil(examples / batch);

  // The address: "Cosine,start=0.1,steps=95&Linear,...&run=100&axis=log&code=keras" ---------------

  function toHash({ run, log, code, schedules }) {
    const specs = schedules.map((s) => [s.kind, ...fields(s).map((name) =>
      `${name}=${[s[name]].flat().join(":")}`)].join(","));
    return [...specs, `run=${run}`, ...(log ? ["axis=log"] : []), `code=${code}`].join("&");
  }

  const number = (text) => (/^[-+]?(\d*\.)?\d+(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN);

  function readSchedule(text) {
    const [given, ...pairs] = text.split(",");
    const kind = Object.keys(KINDS).find((one) => one.toLowerCase() === given.toLowerCase());
    if (!kind) throw new Error(`there is no schedule ${given}`);
    const s = { kind };
    for (const pair of pairs) {
      const [name, value, ...more] = pair.split("=");
      const first = Object.entries(defaults(kind)).find(([field]) => field === name)?.[1];
      if (first === undefined) throw new Error(`${kind} has no field ${name}`);
      if (value === undefined || more.length) throw new Error(`${pair} is not field=value`);
      if (name in s) throw new Error(`${name} is given twice`);
      const numbers = (texts) => texts.map((one) => {
        if (Number.isNaN(number(one))) throw new Error(`${name} must be a number, got ${one}`);
        return number(one);
      });
      s[name] = Array.isArray(first) ? numbers(value.split(":"))
        : typeof first === "number" ? numbers([value])[0]
        : typeof first === "boolean" ? { true: true, false: false }[value] ?? value : value;
    }
    const said = problem(normal(s));
    if (said) throw new Error(said);
    return normal(s);
  }

  // The state of an address, or the first state and what is wrong.
  function fromHash(hash) {
    const state = start();
    if (hash === "") return { state, problem: null };
    try {
      const schedules = [];
      let run = null;
      for (const part of decodeURIComponent(hash).split("&")) {
        const [name, value] = part.split("=");
        let said = null;
        if (name === "run") {
          run = number(value ?? "");
          said = wrong(name, run, RUN, [RUN.low, RUN.high]);
        } else if (name === "axis") {
          state.log = value === "log";
          said = not(["linear", "log"], name, value);
        } else if (name === "code") {
          state.code = value;
          said = not(Object.keys(CODE), name, value);
        } else {
          schedules.push(readSchedule(part));
        }
        if (said) throw new Error(said);
      }
      if (!schedules.length) throw new Error("it names no schedule");
      if (schedules.length > MOST.curves) throw new Error(`${MOST.curves} curves at most`);
      return { state: { ...state, run: run ?? reach(schedules), schedules }, problem: null };
    } catch (error) {
      return { state: start(), problem: error instanceof URIError
        ? "it is not a well-formed address" : error.message };
    }
  }

  // Code for four libraries -----------------------------------------------------------------------

  const float = (x) => (Number.isInteger(x) ? x.toFixed(1) : String(x));
  const indent = (text) => text.replace(/^(?=.)/gm, "    ");
  const ratio = (a, b) => (a === b ? "1.0" : a === 0 ? "0.0" : `${float(a)} / ${float(b)}`);

  function python(value, whole) {
    if (typeof value === "boolean") return value ? "True" : "False";
    if (typeof value === "string") return `"${value}"`;
    if (Array.isArray(value)) return `[${value.map((v) => python(v, whole)).join(", ")}]`;
    return whole ? String(value) : float(value);
  }

  // A template with its fields filled in; {field/field} is a quotient.
  function fill(template, s) {
    return template.replace(/{(\w+)(?:\/(\w+))?}/g, (_, a, b) => (b ? ratio(s[a], s[b])
      : python(s[a], !(a in SPECS) || SPECS[a].whole)));
  }

  // A call on one line, or with each part on its own.
  function wrap(text) {
    const open = text.search(/[([]/), found = [""];
    if (text.length <= 64 || open < 0) return text;
    const [, each, loop] = text.match(/^(.*?\)) (for .*)$/) ?? [];
    if (loop && each.split(/[([]/).length === each.split(/[)\]]/).length) {
      return `${wrap(each)}\n${loop}`;
    }
    let depth = 0;
    for (const sign of text.slice(open + 1, -1)) {
      depth += "([".includes(sign) - ")]".includes(sign);
      if (depth < 0) return text;                        // it does not end what it opens
      if (sign === "," && depth === 0) found.push("");
      else found[found.length - 1] += sign;
    }
    const inside = found.map((part) => indent(wrap(part.trim()))).join(",\n");
    return `${text.slice(0, open + 1)}\n${inside}${found.length > 1 ? "," : ""}\n${text.slice(-1)}`;
  }

  // The name under which the templates have a schedule.
  const named = (s) => (s.kind === "Repeated" && s.inner === "Cosine" ? "sgdr"
    : s.staircase ? { Exponential: "Step", InverseTime: "InverseSteps" }[s.kind] : s.kind);

  // A schedule as lrlib writes it, and the warm-up that it adds.
  function expression(s) {
    const { kind, inner, warmup_start: from } = s;
    const give = (...names) => names.map((name) => `${name}={${name}}`).join(", ");
    const names = fields(s).filter((name) => name in KINDS[kind].fields);
    return [fill(kind === "Repeated"
      ? `Repeated(${inner}(${give("start", "end", "steps")}), ${give("growth", "factor")})`
      : `${kind}(${give(...names)})`, s),
    lead(s) ? `.warmup(${lead(s)}${from ? `, start=${float(from)}` : ""})` : ""];
  }

  function inLrlib(s, run) {
    const [main, warm] = expression(s);
    return `from lrlib import ${s.kind === "Repeated" ? `${s.inner}, ` : ""}${s.kind}

schedule = ${wrap(main)}${warm}

# PyTorch: after every optimizer.step() call scheduler.step()
# from lrlib.for_torch import TorchSchedule
# scheduler = TorchSchedule(optimizer, schedule)

# Keras:
# import keras
# from lrlib.for_keras import KerasSchedule
# optimizer = keras.optimizers.SGD(KerasSchedule(schedule${
  length(s) === null ? `, steps=${run}` : ""}))`;
  }

  // Formulas in plain Python, for what a library lacks.
  const WAYS = { Linear: "(1 - p)", Cosine: "(1 + math.cos(math.pi * p)) / 2",
                 Polynomial: "(1 - p) ** {power}", OneMinusSqrt: "(1 - math.sqrt(p))",
                 REX: "(1 - p) / (1 - p / 2)" };
  const PYTHON = {
    Constant: "{rate}",
    Exponential: "{start} * {factor} ** (t / {every})",
    Step: "{start} * {factor} ** (t // {every})",
    InverseTime: "{start} / (1 + {factor} * t / {every})",
    InverseSteps: "{start} / (1 + {factor} * (t // {every}))",
    PowerTime: "{start} * (1 + t / {shift}) ** -{power}",
    InverseSqrt: "{start} * math.sqrt({shift} / (t + {shift}))",
    Piecewise: "{rates}[bisect({boundaries}, t)]",
    noam: "{scale} * {width} ** -0.5 * min((t + 1) ** -0.5, (t + 1) * {warmup} ** -1.5)",
  };

  const ramped = (kind, s) => (s.end === 0 ? `{start} * ${WAYS[kind]}`
    : `{end} + ({start} - {end}) * ${WAYS[kind]}`);

  // The lines of a function of t; those in `jump` find the cycle of growing restarts.
  function lines(s, last = true, jump = ["cycle, steps = 0, {steps}", "while t >= steps:",
    "    cycle, t, steps = cycle + 1, t - steps, steps * {growth}", "p = t / steps"]) {
    const body = () => {
      if (PYTHON[named(s)]) return [`return ${PYTHON[named(s)]}`];
      if (s.kind === "Cyclic") {
        const long = s.up + s.down;
        const shrunk = { triangular: "", triangular2: `0.5 ** (t // ${long}) * `,
                         exp_range: "{factor} ** t * " }[s.mode];
        return [`since = t % ${long}`, "height = min(since / {up}, 1 - (since - {up}) / {down})",
                `return {start} + ({peak} - {start}) * ${shrunk}height`];
      }
      if (s.kind === "Repeated") {
        const shrunk = (cycle) => (s.factor === 1 ? ramped(s.inner, s)
          : `{factor} ** ${cycle} * (${ramped(s.inner, s)})`);
        return s.growth > 1 ? [...jump, `return ${shrunk("cycle")}`]
          : ["p = t % {steps} / {steps}", `return ${shrunk("(t // {steps})")}`];
      }
      if (s.kind === "Linear" && !last) {
        return [s.start === 0 ? "return {end} * t / {steps}"
          : "return {start} + ({end} - {start}) * t / {steps}"];
      }
      return [last ? "p = min(t / {steps}, 1)" : "p = t / {steps}", `return ${ramped(s.kind, s)}`];
    };
    return body().map((line) => fill(line, s));
  }

  const define = (name, body) => `def ${name}(t):\n${indent(body.join("\n"))}\n`;

  // A Python function rate(t), after the imports it needs.
  function rateFunction(s) {
    const all = s.kind === "noam" ? [s] : parts(s);
    const text = define("rate", all.flatMap((part, i) => (i === all.length - 1 ? lines(part)
      : [`if t < ${part.steps}:`, ...lines(part, false).map(indent), `t -= ${part.steps}`])));
    return [(text.includes("math.") ? "import math\n" : "")
      + (text.includes("bisect(") ? "from bisect import bisect\n" : ""), text];
  }

  const TORCH = {
    Constant: "ConstantLR(optimizer, factor=1.0)",
    Linear: "LinearLR(optimizer, start_factor={start/high}, end_factor={end/high}, "
      + "total_iters={steps})",
    Cosine: "CosineAnnealingLR(optimizer, T_max={steps}, eta_min={end})",
    Polynomial: "PolynomialLR(optimizer, total_iters={steps}, power={power})",
    Exponential: "ExponentialLR(optimizer, gamma={factor} ** (1 / {every}))",
    Step: "StepLR(optimizer, step_size={every}, gamma={factor})",
    multi_step: "MultiStepLR(optimizer, milestones={milestones}, gamma={factor})",
    Cyclic: "CyclicLR(optimizer, base_lr={start}, max_lr={peak}, step_size_up={up}, "
      + "step_size_down={down}, mode={mode}, gamma={factor}, cycle_momentum=False)",
    sgdr: "CosineAnnealingWarmRestarts(optimizer, T_0={steps}, T_mult={growth}, eta_min={end})",
    one_cycle: "OneCycleLR(optimizer, max_lr={peak}, total_steps={steps} + 1, "
      + "pct_start=({warmup} + 1) / ({steps} + 1), div_factor={peak/start}, "
      + "final_div_factor={start/end}, cycle_momentum=False)",
  };

  // torch's own scheduler, if it can do this.
  function torchOwn(s, run) {
    const able = { Polynomial: s.end === 0, sgdr: s.factor === 1,
                   one_cycle: s.end > 0 && run <= s.steps + 1,   // it stops there with an error
                   Cyclic: !lead(s) || s.start > 0 }[named(s)] ?? true;
    const own = able && TORCH[named(s)];
    return own ? fill(`lr_scheduler.${own}`, { factor: 1, ...s, high: Math.max(s.start, s.end) })
      : null;
  }

  function inTorch(s, run) {
    const own = torchOwn(s, run);
    const [imports, text] = own ? ["", ""] : rateFunction(s);
    const base = !own ? 1 : s.kind === "Linear" ? Math.max(s.start, s.end) : s.rate ?? s.start;
    const all = [own ?? "lr_scheduler.LambdaLR(optimizer, rate)"], milestones = [];
    let note = own ? "" : "# torch has no such scheduler; LambdaLR takes lr times any function.\n";
    if (own && lead(s)) {
      const { start, end, steps } = parts(s)[0];
      const able = start > 0 && Math.max(start, end) <= base;
      all.unshift(able ? `lr_scheduler.LinearLR(optimizer, start_factor=${ratio(start, base)}, `
        + `end_factor=${ratio(end, base)}, total_iters=${steps})`
        : `lr_scheduler.LambdaLR(optimizer, lambda t: ${start === 0 && end === base ? `t / ${steps}`
          : `(${lines(parts(s)[0], false)[0].slice(7)}) / ${float(base)}`})`);
      milestones.push(steps);
      if (!able) {
        note += `# LinearLR cannot start ${start ? "above lr" : "at 0"}, a function can.\n`;
      }
    }
    if (s.kind === "Cosine" && run - 1 > length(s)) {
      all.push(`lr_scheduler.LambdaLR(optimizer, lambda t: ${ratio(s.end, base)})`);
      milestones.push(length(s));
      note += "# Past its end CosineAnnealingLR would climb: a function holds the rate.\n";
    }
    return `${imports}import torch
from torch.optim import lr_scheduler

${note}${text}${text && "\n"}optimizer = torch.optim.SGD(model.parameters(), lr=${float(base)})
scheduler = ${wrap(all.length === 1 ? all[0] : `lr_scheduler.SequentialLR(optimizer, [${
  all.join(", ")}], milestones=${python(milestones, true)})`)}
# then, after each optimizer.step(): scheduler.step()`;
  }

  const KERAS = {
    Linear: "PolynomialDecay({start}, decay_steps={steps}, end_learning_rate={end}, power=1.0)",
    Cosine: "CosineDecay({start}, decay_steps={steps}, alpha={end/start})",
    Polynomial: "PolynomialDecay({start}, decay_steps={steps}, end_learning_rate={end}, "
      + "power={power})",
    Exponential: "ExponentialDecay({start}, decay_steps={every}, decay_rate={factor})",
    Step: "ExponentialDecay({start}, decay_steps={every}, decay_rate={factor}, staircase=True)",
    InverseTime: "InverseTimeDecay({start}, decay_steps={every}, decay_rate={factor})",
    InverseSteps: "InverseTimeDecay({start}, decay_steps={every}, decay_rate={factor}, "
      + "staircase=True)",
    Piecewise: "PiecewiseConstantDecay([b - 1 for b in {boundaries}], {rates})",
    multi_step: "PiecewiseConstantDecay([b - 1 for b in {milestones}], "
      + "[{start} * {factor}**i for i in range({pieces})])",
    sgdr: "CosineDecayRestarts({start}, first_decay_steps={steps}, t_mul={growth}.0, "
      + "m_mul={factor}, alpha={end/start})",
    warmed: "CosineDecay({warmup_start}, decay_steps={steps}, alpha={end/start}, "
      + "warmup_target={start}, warmup_steps={warmup})",
  };

  function inKeras(s, run) {
    const name = named(s);
    // Keras' floor does not shrink, and it finds a late cycle by a logarithm, one update off.
    const unable = name === "sgdr" && ((s.factor < 1 && s.end > 0)
      || (s.growth > 1 && restarts(s, run).length > 12));
    const own = !unable && KERAS[lead(s) ? name === "Cosine" && "warmed" : name];
    const foot = "optimizer = keras.optimizers.SGD(learning_rate=schedule)";
    if (s.kind === "Constant" && !lead(s)) {
      return `import keras\n\nschedule = ${float(s.rate)}  # a number will do\n${foot}`;
    }
    if (own) {
      return `import keras

${own.includes("b - 1") ? "# Keras keeps the old rate at a boundary itself, hence - 1.\n" : ""
}schedule = ${wrap(fill(`keras.optimizers.schedules.${own}`, {
  ...s, pieces: s.milestones?.length + 1 }))}
${foot}`;
    }
    const [imports, text] = rateFunction(s);
    return `${imports}import keras
import numpy as np

# Keras has no such schedule: the rates are looked up in a table.
${text}
# To load a saved model, define rate and RateTable first.
@keras.saving.register_keras_serializable()
class RateTable(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, updates):
        self.rates = np.array([rate(t) for t in range(updates)], "float32")

    def __call__(self, step):
        step = keras.ops.minimum(step, len(self.rates) - 1)
        return keras.ops.take(self.rates, keras.ops.cast(step, "int32"))

    def get_config(self):
        return {"updates": len(self.rates)}

schedule = RateTable(updates=${length(s) === null ? run : length(s) + 1})
${foot}`;
  }

  const OPTAX = {
    Constant: "constant_schedule({rate})",
    Linear: "linear_schedule({start}, {end}, transition_steps={steps})",
    Cosine: "cosine_decay_schedule({start}, decay_steps={steps}, alpha={end/start})",
    Polynomial: "polynomial_schedule({start}, {end}, power={power}, transition_steps={steps})",
    Exponential: "exponential_decay({start}, transition_steps={every}, decay_rate={factor})",
    Step: "exponential_decay({start}, transition_steps={every}, decay_rate={factor}, "
      + "staircase=True)",
    Piecewise: "join_schedules([optax.constant_schedule(rate) for rate in {rates}], "
      + "boundaries={boundaries})",
    multi_step: "piecewise_constant_schedule({start}, dict.fromkeys({milestones}, {factor}))",
    one_cycle: "cosine_onecycle_schedule(transition_steps={steps}, peak_value={peak}, "
      + "pct_start={warmup} / {steps}, div_factor={peak/start}, final_div_factor={start/end})",
    sgdr: "sgdr_schedule([dict(init_value={start} * {factor}**i, peak_value={start} * {factor}**i, "
      + "end_value={end} * {factor}**i, warmup_steps=0, decay_steps={steps} * {growth}**i) "
      + "for i in range({cycles})])",
    warmed: "warmup_cosine_decay_schedule({warmup_start}, {start}, warmup_steps={warmup}, "
      + "decay_steps={warmup} + {steps}, end_value={end})",
  };

  // The first updates of the cycles that begin in a run.
  function restarts({ steps, growth }, run) {
    const found = [];
    for (let first = 0, long = steps; first < run && growth; long *= growth) {
      found.push(first);
      first += long;
    }
    return found;
  }

  // optax's own schedule, if it can do this.
  function optaxOwn(s, run) {
    const able = { sgdr: restarts(s, run).length <= 12,
                   one_cycle: s.end > 0 && Math.floor(s.warmup / s.steps * s.steps) === s.warmup
                 }[named(s)] ?? true;
    const own = able && OPTAX[named(s)];
    return own ? fill(`optax.${own}`, { ...s, cycles: restarts(s, run).length })
      .replace(/ \* 1(\.0)?\*\*i/g, "") : null;
  }

  function inOptax(s, run) {
    const jump = [`starts = jnp.array(${python(restarts(s, run), true)})`,
                  'cycle = jnp.searchsorted(starts, t, side="right") - 1',
                  "p = jnp.minimum((t - starts[cycle]) / ({steps} * {growth} ** cycle), 1)"];
    const warm = lead(s), plain = warm ? { ...s, warmup: 0 } : s;
    const main = optaxOwn(plain, run) || s.kind === "noam" ? [plain] : parts(plain);
    const all = warm ? [parts(s)[0], ...main] : main, last = all[all.length - 1];
    const pieces = all.map((part) => optaxOwn(part, run) ?? "decay"), alone = pieces.length === 1;

    let at = 0;
    const boundaries = all.slice(0, -1).map((part) => (at += part.steps));
    const own = warm && s.kind === "Cosine" ? fill(`optax.${OPTAX.warmed}`, s) : alone ? pieces[0]
      : `optax.join_schedules([${pieces.join(", ")}], boundaries=${python(boundaries, true)})`;
    const text = !pieces.includes("decay") ? "" : define(alone ? "schedule" : "decay",
      lines(last, true, jump).map((line) =>
        line.replace(/\bmin\(/g, "jnp.minimum(").replace(/\bmath\./g, "jnp.")));
    return `${text.includes("jnp.") ? "import jax.numpy as jnp\n" : ""}import optax

${text && `# optax has no such schedule, but takes any function.\n${text}\n`
}${/starts|sgdr/.test(text + own) ? `# Cycles enough for ${run} updates.\n` : ""
}${alone && text ? "" : `schedule = ${wrap(own)}\n`}optimizer = optax.sgd(learning_rate=schedule)`;
  }

  const CODE = { lrlib: inLrlib, torch: inTorch, keras: inKeras, optax: inOptax };

  globalThis.designer = {
    KINDS, RUN, MOST, CODE, spec, defaults, normal, problem, rates, length, reach, readouts,
    measured, start, change, stretch, choose, pieces, swap, handles, moved, inside, beyond, entered,
    updates, toHash, fromHash,
  };

  if (typeof HTMLElement === "undefined") return;        // not in a browser

  // The page --------------------------------------------------------------------------------------

  const TABS = { lrlib: "lrlib", torch: "PyTorch", keras: "Keras", optax: "optax" };
  const HEAD = `<thead><tr><th scope="col">${
    ["First", "Highest", "Last", "Area", "Half-life"].join('<th scope="col">')}`;
  const digits = (x, n = 3) => (x > 0 && x < 1e-3 ? x.toExponential(n - 1).replace(/\.?0*e/, "e")
    : String(Number(x.toPrecision(n))));

  // The slider of a number: its attributes, its place for a value, the value at a place.
  function slider({ low, log, step, time }, [least, most], run) {
    if (log) {
      const min = Math.log10(log);
      return { min, max: Math.log10(most), step: 0.05, to: (x) => Math.log10(Math.max(x, log)),
               from: (at) => (at <= min ? low : Number((10 ** at).toPrecision(2))) };
    }
    return { min: step ? 0 : least, max: time ? Math.min(most, Math.max(run, least + 1)) : most,
             step: step ?? 1, to: (x) => x, from: (at) => at };
  }

  // About n round numbers up to `top`; on a log axis the powers of ten.
  function ticks(bottom, top, n, log) {
    if (log) {
      const first = Math.ceil(Math.log10(bottom)), last = Math.floor(Math.log10(top));
      return last > first ? Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
        : [bottom, top];
    }
    const size = 10 ** Math.floor(Math.log10(top / n));
    const step = size * [1, 2, 5, 10].find((k) => k * size >= top / n);
    return Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
  }

  const row = (id, label, input) =>
    `<div class="entry" data-row="${id}"><label for="lrd-${id}">${label}</label>${input}</div>`;
  function control(id, label, { choices }) {
    const same = `id="lrd-${id}" data-field="${id}"`;
    return row(id, label, choices?.includes(true) ? `<input type="checkbox" ${same}>`
      : choices ? `<select ${same}><option>${choices.join("<option>")}</select>`
      : `<input type="number" ${same}>
         <input type="range" data-field="${id}" aria-label="${label}">`);
  }
  const group = (label, recipe) => `<optgroup label="${label}">${Object.entries(KINDS)
    .filter(([name]) => name in RECIPES === recipe).map(([name, { about }]) =>
      `<option value="${name}">${name}: ${about}`).join("")}</optgroup>`;
  const button = (what, text, more = "") =>
    `<button type="button" data-do="${what}" ${more}>${text}</button>`;

  customElements.define("lr-designer", class extends HTMLElement {
    connectedCallback() {
      this.innerHTML = `
        <div class="fields">
          ${row("kind", "Schedule", `<select id="lrd-kind">${
            group("Families", false)}${group("Recipes", true)}</select>`)}
          ${control("run", LABELS.run, RUN)}
          <details><summary>Count them from epochs</summary>${
            ["Epochs", "Examples", "Batch size"].map((label) => `<label>${label}
              <input type="number" min="1" data-count></label>`).join("")}</details>
        </div>
        <svg class="chart" role="group" aria-label="The rate of every update, with handles">
          <g class="grid" aria-hidden="true"></g><g class="curves"></g><g class="handles"></g>
        </svg>
        <p class="bar beyond"><span role="status"></span> ${button("fit", "")}</p>
        <div class="bar">
          <label><input type="checkbox" data-do="log"> Log axis</label>
          ${button("keep", "Keep this curve")}
          ${button("more", "Add a piece")}${button("fewer", "Remove a piece")}
          <span class="said" role="status"></span>
        </div>
        <div class="fields own"></div>
        <div class="scroll" tabindex="0" role="region" aria-label="Numbers of the curves">
          <table></table></div>
        <div class="bar"><div role="tablist" aria-label="Code for">${Object.keys(TABS).map((tab) =>
          button("tab", TABS[tab], `role="tab" id="lrd-${tab}" data-tab="${tab}"
                 aria-controls="lrd-code"`)).join("")}</div>
          ${button("copy", "Copy the code")}</div>
        <div role="tabpanel" id="lrd-code" tabindex="0"><pre><code></code></pre></div>`;
      this.find = (selector) => this.querySelector(selector);
      this.svg = this.find(".chart");
      this.addEventListener("input", ({ target }) => this.enter(target, false));
      this.addEventListener("change", ({ target }) => this.enter(target, true));
      this.addEventListener("click", ({ target }) => this.click(target));
      this.addEventListener("keydown", (event) => this.press(event));
      this.svg.addEventListener("pointerdown", (event) => this.grab(event));
      // Other addresses are those of places on the page, where the browser scrolls.
      const place = () => !location.hash || document.getElementById(location.hash.slice(1));
      addEventListener("hashchange", () => (place() ? this.write() : this.read()));
      this.state = start();
      if (place()) this.show();
      else this.read();
      new ResizeObserver(() => this.draw()).observe(this);
    }

    // The address is read when it changes, and written a moment after a change here.
    read() {
      const { state, problem: said } = fromHash(location.hash.slice(1));
      this.set(state);
      clearTimeout(this.waiting);                        // it stays as it was written
      this.say(said && `The address was not understood: ${said}. Here is the example instead.`);
    }

    write() {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(
        () => history.replaceState(history.state, "", `#${toHash(this.state)}`), 250);
    }

    set(state, target = null) {
      if (!target) this.begun = null;
      this.state = state;
      this.say("");
      this.find(".refused")?.remove();
      this.find("[aria-describedby]")?.removeAttribute("aria-describedby");
      this.show(target);
      this.write();
    }

    say(text) { this.find(".said").textContent = text; }

    // What was entered changes the state in which the field was begun, so that no digit on the way
    // leaves a trace.  At the end a wrong number gives way to the last right one.
    enter(target, done) {
      const id = target.dataset.field, typed = target.type === "number";
      if (target.id === "lrd-kind" && !done) this.set(choose(this.state, target.value));
      if (target.dataset.do === "log" && !done) this.set({ ...this.state, log: target.checked });
      if ("count" in target.dataset) this.count(done);
      if (!id || (done && !typed)) return;
      if (this.begun !== id) Object.assign(this, { begun: id, from: this.state, last: this.state });
      const { own, range } = entry(this.state, id);
      const slid = slider(own, range, this.state.run).from(target.valueAsNumber);
      const value = { checkbox: target.checked, number: target.valueAsNumber,
                      range: clamp(slid, range) }[target.type] ?? target.value;
      const { state, problem: said } = entered(this.from, id, value);
      if (!said && (done || !typed)) this.last = state;
      if (!said && done) return;                         // it is shown already
      this.set(said ? this.last : state, target);
      if (typed) target.setAttribute("aria-invalid", Boolean(said && !done));
      if (!done) return;
      target.value = entry(this.state, id).value;
      target.setAttribute("aria-describedby", "lrd-refused");
      target.parentElement.insertAdjacentHTML("beforeend",
        `<p class="refused" id="lrd-refused" role="alert">${said}.</p>`);
    }

    count(done) {
      const all = [...this.querySelectorAll("[data-count]")].map((one) => one.valueAsNumber);
      const run = this.find("#lrd-run"), n = updates(...all);
      if (Number.isNaN(n)) return;
      run.value = n;
      this.enter(run, done);
    }

    click(target) {
      const { schedules } = this.state, { do: what, i } = target.dataset;
      if (what === "tab") this.set({ ...this.state, code: target.dataset.tab });
      if (what === "keep") this.set({ ...this.state, schedules: [...schedules, schedules[0]] });
      if (what === "more" || what === "fewer") this.set(pieces(this.state, what === "more"));
      if (what === "edit") {
        this.set(swap(this.state, Number(i)));
        this.find(`[data-do=edit][data-i="${i}"]`).focus();
      }
      if (what === "drop") {
        this.set({ ...this.state, schedules: schedules.filter((_, j) => j !== Number(i)) });
        this.find("[data-do=keep]").focus();
      }
      if (what === "fit") {
        this.set({ ...this.state, run: reach(schedules.slice(0, 1)) });
        this.find("#lrd-run").focus();
      }
      if (what === "copy") this.copy(target);
    }

    async copy(button) {
      let found = "Copied";
      try {
        await navigator.clipboard.writeText(this.find("code").textContent);
      } catch {                                          // this browser lets no page copy
        found = "Selected: press Ctrl+C";
        getSelection().selectAllChildren(this.find("code"));
      }
      this.say(found);
      button.textContent = found;
      setTimeout(() => { button.textContent = "Copy the code"; }, 2000);
      button.focus();
    }

    press(event) {
      const { target, key, shiftKey } = event, { state } = this;
      const right = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[key] ?? 0;
      const up = { ArrowUp: 1, ArrowDown: -1 }[key] ?? 0;
      const handle = target.dataset.handle;
      if (target.dataset.tab && right) {
        const tabs = Object.keys(TABS), n = tabs.length;
        const at = { Home: 0, End: n - 1 }[key] ?? (tabs.indexOf(state.code) + right + n) % n;
        this.set({ ...state, code: tabs[at] });
        this.find(`#lrd-${this.state.code}`).focus();
      } else if (handle && (right || up)) {
        const { x, y } = handles(state.schedules[0]).find((one) => one.name === handle);
        const far = shiftKey ? 1 : Math.max(1, Math.round(state.run / 100));
        const high = (shiftKey ? 0.1 : 1) * (state.log ? Math.max(y, this.bottom) / 10
          : 10 ** Math.floor(Math.log10(this.top)) / 100);
        this.set(moved(state, handle, clamp(x + right * far, [0, state.run]),
                       Math.max(0, y + up * high)));
      } else {
        return;
      }
      event.preventDefault();
    }

    grab(event) {
      const handle = event.target.closest("[data-handle]"), from = this.state;
      if (!handle || event.button !== 0) return;
      event.preventDefault();
      handle.focus();
      this.held = true;                                  // the scale stands still meanwhile
      handle.setPointerCapture(event.pointerId);
      handle.onpointermove = ({ clientX, clientY }) => {
        const { left, top } = this.svg.getBoundingClientRect();
        const [x, y] = this.at(clientX - left, clientY - top);
        this.set(moved(from, handle.dataset.handle, x, y));
      };
      handle.onlostpointercapture = () => {
        handle.onpointermove = null;
        this.held = false;
        this.draw();
      };
    }

    show(target) {
      const { schedules, run, log, code } = this.state, [s] = schedules;
      this.find("#lrd-kind").value = s.kind;
      this.find("[data-do=log]").checked = log;
      this.find("[data-do=keep]").disabled = schedules.length >= MOST.curves;
      for (const what of ["more", "fewer"]) {
        const one = this.find(`[data-do=${what}]`);
        one.hidden = !s.boundaries && !s.milestones;
        one.disabled = !one.hidden && pieces(this.state, what === "more") === this.state;
      }
      const out = beyond(this.state), fit = this.find("[data-do=fit]"), far = reach([s]);
      this.find(".beyond").hidden = !out;
      this.find(".beyond span").textContent = out;
      fit.textContent = `Set the run to ${far}`;
      fit.hidden = far === run;
      this.showFields(s, target);
      this.find("table").innerHTML = HEAD + schedules.map((one, i) => {
        const title = expression(one).join("").replace(/"/g, "&quot;");
        const r = measured(one, run).used;
        const cells = [digits(r.first), digits(r.highest), digits(r.last), digits(r.area, 4),
                       r.halfLife ?? "none"];
        const tool = (what, text, verb) =>
          button(what, text, `data-i="${i}" aria-label="${verb} ${title}"`);
        return `<tbody><tr><th scope="rowgroup" colspan="5">
          <svg class="key" viewBox="0 0 24 8" aria-hidden="true"><path
          class="curve c${i}" d="M0 4H24"/></svg> ${title}
          ${i ? tool("edit", "Edit", "Edit") + tool("drop", "×", "Remove") : ""}
          <tr><td>${cells.join("<td>")}</tbody>`;
      }).join("");
      for (const tab of this.querySelectorAll("[role=tab]")) {
        const chosen = tab.dataset.tab === code;
        tab.setAttribute("aria-selected", chosen);
        tab.tabIndex = chosen ? 0 : -1;
      }
      this.find("#lrd-code").setAttribute("aria-labelledby", `lrd-${code}`);
      this.find("code").textContent = CODE[code](s, run);
      this.draw();
    }

    showFields(s, target) {
      const ids = Object.keys(defaults(s.kind)).flatMap((field) =>
        (Array.isArray(s[field]) ? s[field].map((_, i) => `${field}-${i}`) : [field]));
      if (this.built !== `${s.kind} ${ids}`) {
        this.built = `${s.kind} ${ids}`;
        this.find(".own").innerHTML = ids.map((id) => {
          const { label, own } = entry(this.state, id);
          return control(id, label, own);
        }).join("");
      }
      for (const id of ["run", ...ids]) {
        const shown = id === "run" || id.split("-")[0] in s;
        this.find(`[data-row=${id}]`).hidden = !shown;
        for (const input of shown ? this.querySelectorAll(`[data-field=${id}]`) : []) {
          const { own, value, range } = entry(this.state, id);
          if (input.type === "checkbox") input.checked = value;
          else if (input.type === "range") {
            const { min, max, step, to } = slider(own, range, this.state.run);
            Object.assign(input, { min, max, step });
            input.value = to(value);
            input.setAttribute("aria-valuetext", value);
          } else if (input.type === "number") {
            // arrows count from min, so that of a fraction is 0
            Object.assign(input, { min: own.whole ? range[0] : 0, max: range[1],
              step: own.whole ? 1 : 10 ** Math.floor(Math.log10(value || 0.01)) / 10 });
            if (input === target) continue;              // its text is being typed
            if (input.valueAsNumber !== value) input.value = value;
            input.setAttribute("aria-invalid", false);
          } else input.value = value;
        }
      }
    }

    draw() {
      const { schedules, run, log } = this.state;
      const wide = this.svg.clientWidth, high = Math.round(clamp(wide / 2, [210, 330]));
      const left = 58, right = 34, up = 14, down = 40;
      const across = wide - left - right, tall = high - up - down;
      const curves = schedules.map((s) => measured(s, run));
      if (!this.held) {
        const top = Math.max(...curves.map(({ drawn }) => drawn.highest)) || 1;
        this.top = top * (log ? 2 : 1.2);
        const bottom = Math.min(...curves.map(({ drawn }) => drawn.lowest), this.top / 10);
        this.bottom = Math.max(bottom / 1.5, this.top * 1e-6);
      }
      const { top, bottom } = this;
      const x = (t) => left + t / run * across;
      const part = (rate) => (!log ? rate / top
        : Math.log(Math.max(rate, bottom) / bottom) / Math.log(top / bottom));
      const y = (rate) => up + (1 - Math.min(part(rate), 1)) * tall;
      this.at = (px, py) => {
        const share = clamp((high - down - py) / tall, [0, 1]);
        const grain = 10 ** Math.floor(Math.log10(top)) / 100;
        return [clamp((px - left) / across, [0, 1]) * run,
                log ? share && Number((bottom * (top / bottom) ** share).toPrecision(2))
                  : Math.round(share * top / grain) * grain];
      };
      this.svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      this.find(".grid").innerHTML = ticks(bottom, top, 5, log).map((rate) =>
        `<path d="M${left} ${y(rate)}H${wide - right}"/><text class="rate" x="${left - 8}"
        y="${y(rate) + 4}">${digits(rate, 2)}</text>`).join("")
        + ticks(0, run, wide / 90, false).map((t) =>
          `<text x="${x(t)}" y="${high - down + 18}">${digits(t, 6)}</text>`).join("")
        + `<text x="${x(run / 2)}" y="${high - 4}">update</text>`;
      this.find(".curves").innerHTML = curves.map(({ curve }, i) =>
        `<path class="curve c${i}" d="M${thinned(curve, wide).map((t) =>
          `${x(t).toFixed(1)} ${y(curve[t]).toFixed(1)}`).join("L")}"/>`).reverse().join("");
      this.drawHandles(x, y);
    }

    // A handle stays one element, so that it keeps the focus while it moves.
    drawHandles(x, y) {
      const box = this.find(".handles"), all = inside(this.state);
      for (const one of [...box.children]) {
        if (!all.some(({ name }) => name === one.dataset.handle)) one.remove();
      }
      for (const { name, x: update, y: rate } of all) {
        let one = this.find(`[data-handle="${name}"]`);
        if (!one) {
          box.insertAdjacentHTML("beforeend", `<g data-handle="${name}" tabindex="0" role="slider"
            aria-label="${name}" aria-valuemin="0" aria-valuemax="${RATE.high}">
            <circle class="hit" r="18"/><circle r="7"/></g>`);
          one = box.lastChild;
        }
        one.setAttribute("transform", `translate(${x(update)} ${y(rate)})`);
        one.setAttribute("aria-valuenow", rate.toFixed(9));
        one.setAttribute("aria-valuetext", `update ${digits(update, 7)}, rate ${digits(rate)}`);
      }
    }
  });
})();
