//! Random numbers of the simulated world, from a seed.

/// xoshiro256++ (D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", 2021).
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        // SplitMix64 spreads the seed, as its authors advise.
        let mut mixed = seed;
        let state = std::array::from_fn(|_| {
            mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Random { state }
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Over 0, below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.uniform() * limit as f64) as u64
    }

    pub(crate) fn chance(&mut self, chance: f64) -> bool {
        self.uniform() < chance
    }

    /// Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.uniform().ln()
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let (mut count, mut product) = (0, self.uniform());
        while product > limit {
            count += 1;
            product *= self.uniform();
        }
        count
    }

    pub(crate) fn binomial(&mut self, trials: u64, chance: f64) -> u64 {
        let (n, chance) = (trials as f64, chance.clamp(0.0, 1.0));
        if trials == 0 || chance <= 0.0 {
            0
        } else if chance > 0.5 {
            trials - self.binomial(trials, 1.0 - chance)
        } else if n * chance > 60.0 {
            let deviation = (n * chance * (1.0 - chance)).sqrt();
            let drawn = (n * chance + deviation * self.normal()).round();
            drawn.clamp(0.0, n) as u64
        } else {
            // From one success to the next: exact, and as quick as successes are rare.
            let step = (-chance).ln_1p();
            let (mut count, mut at) = (0, 0.0);
            loop {
                at += (self.uniform().ln() / step).floor() + 1.0;
                if at > n {
                    return count;
                }
                count += 1;
            }
        }
    }

    /// Marsaglia and Tsang 2000; shapes below one by a power of a uniform number.
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.uniform().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    pub(crate) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        if x + y > 0.0 { x / (x + y) } else { 0.0 }
    }
}
