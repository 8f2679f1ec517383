import { z } from "zod";

/** A whole number from 1 to `most`. What is no such number is not handed on to checks of several fields. */
const whole = (most: number) => z.int().min(1, { abort: true }).max(most, { abort: true });

/** A size of a network, such as a width or a vocabulary: far beyond any that exists, and such that a product of two is exact. */
export const count = whole(2 ** 24);

/** How often a part of a network is built: a graph of more layers than anybody has is not begun. */
export const layerCount = whole(4096);

/** Height or width of images, in pixels. */
export const imageSide = whole(2 ** 14);

/** A number by which sizes or counts of layers are multiplied. */
export const factor = z.number().positive().max(1024);
