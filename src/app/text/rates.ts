/** Learning rate of an encoder of texts where everything moves; the grid of Devlin et al. 2019 ends here. */
export const encoderRate = 5e-5;
