// The paper: drawn on with a mouse, a finger, a pen, or the keyboard.

const PEN = 40; // pixels of the canvas, which has 560: about as thick as MNIST's
const READ_AT = 280; // pixels: fine enough for 28, and four times quicker than all 560
const STEP = 20; // pixels that one press of an arrow key moves the pen
const ARROWS = new Map([
  ["ArrowLeft", [-STEP, 0]],
  ["ArrowRight", [STEP, 0]],
  ["ArrowUp", [0, -STEP]],
  ["ArrowDown", [0, STEP]],
]);

/** Sends "change" whenever there is more or less ink, and "say" with what a screen reader should tell. */
export class Pad extends EventTarget {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} cursor shows where the keyboard's pen is
   */
  constructor(canvas, cursor) {
    super();
    this.canvas = canvas;
    this.cursor = cursor;
    this.context = contextOf(canvas);
    const copy = document.createElement("canvas");
    copy.width = copy.height = READ_AT;
    this.copy = contextOf(copy);
    this.isEmpty = true;
    this.isPenDown = false;
    this.pen = { x: canvas.width / 2, y: canvas.height / 4 };
    /** @type {Map<number, { x: number, y: number }>} where each pointer that is down was last */
    this.pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#follow(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#lift());
  }

  /** Everything on the paper: black ink on nothing, at the size that it is read at. */
  get pixels() {
    this.copy.clearRect(0, 0, READ_AT, READ_AT);
    this.copy.drawImage(this.canvas, 0, 0, READ_AT, READ_AT);
    return this.copy.getImageData(0, 0, READ_AT, READ_AT);
  }

  /** Take a new sheet. */
  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.isEmpty = true;
    this.#lift();
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Lay a picture on a new sheet, as large as fits.
   * @param {import("./normalise.js").Picture} picture
   */
  show({ ink, width, height }) {
    const sheet = new ImageData(width, height);
    ink.forEach((value, pixel) => {
      sheet.data[pixel * 4 + 3] = Math.round(value * 255);
    });
    const part = document.createElement("canvas");
    [part.width, part.height] = [width, height];
    part.getContext("2d")?.putImageData(sheet, 0, 0);
    const { width: side } = this.canvas;
    const scale = side / Math.max(width, height);
    this.context.clearRect(0, 0, side, side);
    this.context.drawImage(
      part,
      (side - width * scale) / 2,
      (side - height * scale) / 2,
      width * scale,
      height * scale,
    );
    this.isEmpty = false;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    const point = this.#place(event);
    this.pointers.set(event.pointerId, point);
    this.#line(point, point);
  }

  /** @param {PointerEvent} event */
  #follow(event) {
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const before = this.pointers.get(event.pointerId);
      if (!before) return;
      const point = this.#place(each);
      this.pointers.set(event.pointerId, point);
      this.#line(before, point);
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const arrow = ARROWS.get(event.key);
    if (arrow) {
      const [right = 0, down = 0] = arrow;
      const { width: side } = this.canvas;
      const next = { x: clamp(this.pen.x + right, side), y: clamp(this.pen.y + down, side) };
      if (this.isPenDown) this.#line(this.pen, next);
      this.pen = next;
    } else if (event.key === " " || event.key === "Enter") {
      this.isPenDown = !this.isPenDown;
      if (this.isPenDown) this.#line(this.pen, this.pen);
      this.#say(this.isPenDown ? "Pen down." : "Pen up.");
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.#showCursor();
  }

  #lift() {
    this.isPenDown = false;
    this.cursor.hidden = true;
  }

  #showCursor() {
    const { width: side } = this.canvas;
    this.cursor.hidden = false;
    this.cursor.classList.toggle("is-down", this.isPenDown);
    this.cursor.style.left = `${(this.pen.x / side) * 100}%`;
    this.cursor.style.top = `${(this.pen.y / side) * 100}%`;
  }

  /** @param {MouseEvent} event */
  #place(event) {
    const shown = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - shown.left) / shown.width) * this.canvas.width,
      y: ((event.clientY - shown.top) / shown.height) * this.canvas.height,
    };
  }

  /**
   * @param {{ x: number, y: number }} from
   * @param {{ x: number, y: number }} to
   */
  #line(from, to) {
    const { context } = this;
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    this.isEmpty = false;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} text */
  #say(text) {
    this.dispatchEvent(new CustomEvent("say", { detail: text }));
  }
}

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser can't draw.");
  return context;
}

/**
 * @param {number} value
 * @param {number} side
 */
function clamp(value, side) {
  return Math.min(Math.max(value, PEN / 2), side - PEN / 2);
}
