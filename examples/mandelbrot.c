/* The Mandelbrot set, drawn with letters.
 *
 * What it shows: a program in C. It is compiled on the device each time it is run, and what the
 * compiler complains about is seen. How wide shall the picture be? is asked first. */
#include <complex.h>
#include <stdio.h>

int main(void) {
    int width;
    printf("How many letters wide? ");
    fflush(stdout);
    if (scanf("%d", &width) != 1 || width < 10 || width > 200) {
        fprintf(stderr, "A number from 10 to 200 is needed.\n");
        return 1;
    }
    int height = width / 3;
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++) {
            double complex c = -2.2 + 3.2 * column / width + (-1.2 + 2.4 * row / height) * I;
            double complex z = 0;
            int steps = 0;
            while (steps < 50 && cabs(z) < 2) {
                z = z * z + c;
                steps++;
            }
            putchar(" .:-=+*#%@"[steps / 5 < 9 ? steps / 5 : 9]);
        }
        putchar('\n');
    }
    return 0;
}
